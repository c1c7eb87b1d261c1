"""Visitors at a steady rate, who take every answer as it comes: what they got is counted, also what failed."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.load import Client, Failed

LIMIT = 3600.0  # seconds; they leave by themselves
ABREAST = 400  # requests that are under way at the same time, at most


@dataclass(frozen=True)
class Got:
    """One answer. Times of the monotonic clock, in seconds; status 0: none came."""

    sent: float
    ended: float
    method: str
    path: str
    status: int
    color: str


@dataclass
class Visitors:
    """`rate` requests a second, of `people` (each known by X-Forwarded-For), for `paths` ("POST /x" or "/x")."""

    port: int
    rate: float
    paths: Sequence[str] = ("/",)
    people: int = 1
    seed: int = 1
    answers: list[Got] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._random = random.Random(self.seed)  # noqa: S311 - who asks for what
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def failed(self, which: Callable[[Got], bool] = lambda _: True) -> list[Got]:
        return [it for it in self.answers if (it.status == 0 or it.status >= 500) and which(it)]

    async def _all(self) -> None:
        idle: list[Client] = []
        began, number = time.monotonic(), 0
        tasks: set[asyncio.Task[None]] = set()
        while not self._stop.is_set() and time.monotonic() - began < LIMIT:
            while number < (time.monotonic() - began) * self.rate and len(tasks) < ABREAST:
                number += 1
                task = asyncio.create_task(self._one(idle))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)
        for client in idle:
            client.close()

    async def _one(self, idle: list[Client]) -> None:
        client = idle.pop() if idle else Client(self.port)
        method, _, path = self._random.choice(self.paths).rpartition(" ")
        who = f"X-Forwarded-For: 203.0.113.{self._random.randrange(self.people) + 1}\r\n"
        sent = time.monotonic()
        status, color = 0, ""
        try:
            status, body = await client.request(method or "GET", path, headers=who)
            color = str(json.loads(body).get("color", "")) if body[:1] == b"{" else ""
            idle.append(client)
        except (Failed, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            client.close()
        self.answers.append(Got(sent, time.monotonic(), method or "GET", path, status, color))
