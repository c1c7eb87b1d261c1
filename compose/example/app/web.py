"""The page: an ordinary answer, a slow one, an upload, server-sent events and a WebSocket."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles

from app.release import release
from app.store import store

app = FastAPI()
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))  # for plain Compose


@app.get("/health")
async def health() -> dict[str, bool]:
    """Healthy means: Valkey answers too."""
    return {"ok": bool(await store.ping())}


@app.get("/")
async def page() -> dict[str, str | int]:
    visits = int(await store.incr("visits"))
    return {**release(), "greeting": os.environ.get("GREETING", "Hello"), "visits": visits}


@app.get("/slow")
async def slow(seconds: float = 1.0) -> dict[str, str]:
    await asyncio.sleep(min(seconds, 60.0))
    return release()


@app.post("/upload")
async def upload(request: Request) -> dict[str, str | int]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return {**release(), "bytes": size}


@app.get("/headers")
async def headers(request: Request) -> dict[str, str]:
    return dict(request.headers)


@app.get("/events")
async def events(count: int = 10, every: float = 0.5) -> StreamingResponse:
    async def stream() -> AsyncIterator[str]:
        for number in range(count):
            yield f"id: {number}\ndata: {release()['color']}\n\n"
            await asyncio.sleep(every)

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.websocket("/ws")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            await socket.send_json({**release(), "echo": text})
    except WebSocketDisconnect:
        return
