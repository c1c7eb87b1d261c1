"""The API under /api: takes orders, each of them once in effect, and leaves the work to the worker."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from app.database import pool
from app.release import release
from app.store import store

app = FastAPI(docs_url="/api/docs", openapi_url="/api/openapi.json")


class Order(BaseModel):
    """What a client sends: its own id, so that sending again does no harm."""

    id: str


@app.get("/api/health")
async def health() -> dict[str, bool]:
    return {"ok": bool(await store.ping())}


@app.get("/api/items")
async def items() -> list[dict[str, Any]]:
    """What the shop sells. It names its columns, so that one that a later release adds is none of its business."""
    await pool.open()
    async with pool.connection() as connection:
        rows = await connection.execute("select id, name, price::float from items order by id")
        return await rows.fetchall()


@app.post("/api/orders")
async def order(wanted: Order) -> dict[str, str | int]:
    times = int(await store.hincrby("orders", wanted.id, 1))
    if times == 1:
        await store.rpush("queue", wanted.id)
    return {**release(), "id": wanted.id, "times": times}


@app.get("/api/orders")
async def orders() -> dict[str, str | int]:
    times = await store.hgetall("orders")
    repeated = sum(int(count) > 1 for count in times.values())
    done, tries = int(await store.hlen("done")), int(await store.get("tries") or 0)
    return {**release(), "orders": len(times), "repeated": repeated, "done": done, "tries": tries}
