"""A load client that counts honestly: every request that was sent and got no whole, right answer is lost.

It speaks HTTP/1.1 over asyncio streams itself, because libraries repeat a request silently when a kept
connection turns out to be closed, which is exactly what must be seen here. It sends to 127.0.0.1 only, for a
bounded time, with a bounded number of clients.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import random
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

ANSWER_TIMEOUT = 30.0  # seconds; an answer that takes longer is lost
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """One request that was answered as expected. Times of the monotonic clock, in seconds."""

    kind: str
    sent: float
    ended: float
    color: str
    release: str


@dataclass(frozen=True)
class Lost:
    """One request that was not."""

    kind: str
    sent: float
    why: str


@dataclass
class Tally:
    """Everything that the clients saw."""

    answers: list[Answer] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def kinds(self) -> Counter[str]:
        return Counter(answer.kind for answer in self.answers)

    def colors(self) -> Counter[str]:
        return Counter(answer.color for answer in self.answers)

    def sent_between(self, begin: float, end: float) -> list[Answer]:
        """Answers to requests that were sent in this span."""
        return [answer for answer in self.answers if begin <= answer.sent < end]

    def why(self) -> str:
        """The reasons for losses, most frequent first, for a failing test."""
        reasons = Counter(f"{lost.kind}: {lost.why}" for lost in self.lost)
        return "; ".join(f"{count} x {why}" for why, count in reasons.most_common(8)) or "nothing lost"


class Failed(Exception):
    """An answer that is not what was asked for."""


class Client:
    """One connection at a time to one port; opened when needed, kept when the server keeps it."""

    def __init__(self, port: int, host: str = "localhost", tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._host = host
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        """Sends one request and reads its whole answer. Raises Failed, OSError or TimeoutError when it is lost."""
        reader, writer = await self._connection()
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        kind = "Content-Type: application/json\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{length}{kind}{headers}\r\n"
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            async with asyncio.timeout(ANSWER_TIMEOUT):
                status, fields = await self._head(reader)
                content = await self._body(reader, fields)
        except BaseException:
            self.close()
            raise
        if fields.get("connection", "").lower() == "close":
            self.close()
        return status, content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader and self._writer and not self._reader.at_eof() and self._reader.exception() is None:
            return self._reader, self._writer
        self.close()
        self._reader, self._writer = await asyncio.open_connection(
            HOST, self._port, ssl=self._tls, server_hostname=self._host if self._tls else None
        )
        return self._reader, self._writer

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        first = await reader.readline()
        if not first:
            raise Failed("closed without an answer")
        fields = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.strip().lower()] = value.strip()
        if not line:
            raise Failed("closed within the header")
        return int(first.split()[1]), fields

    @staticmethod
    async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
        if "content-length" in fields:
            return await reader.readexactly(int(fields["content-length"]))
        content = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := await _chunk_size(reader, content):
                content += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        return content

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None


class Load:
    """Clients of several kinds, in a thread of their own, until `stop`."""

    def __init__(
        self, port: int, mix: dict[str, int], seed: int = 1, limit: float = 900.0, tls: ssl.SSLContext | None = None,
        host: str = "localhost",
    ) -> None:  # fmt: skip
        self.port, self._host = port, host
        self._tls = tls
        self.mix = mix
        self.tally = Tally()
        self._random = random.Random(seed)  # noqa: S311 - think times, not secrets
        self._limit = limit  # seconds; it stops by itself
        self._stop = threading.Event()
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def seen(self, color: str, seconds: float = 10.0) -> None:
        """Waits until this color has answered a client. Raises AssertionError after so many seconds."""
        end = time.monotonic() + seconds
        while not any(answer.color == color for answer in self.tally.answers):
            assert time.monotonic() < end, f"{color} answered nobody in {seconds:g} s: {self.tally.colors()}"
            time.sleep(0.05)

    def stop(self) -> Tally:
        """Lets every client finish what it is at, and returns what they saw."""
        self._stop.set()
        self._thread.join(ANSWER_TIMEOUT + 30)
        return self.tally

    async def _all(self) -> None:
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "get": lambda: self._kept("get", 0.05, 0.6, self._get),
            "patient": lambda: self._kept("patient", 1.0, 5.0, self._get),
            "api": lambda: self._kept("api", 0.1, 0.6, self._api),
            "post": lambda: self._kept("post", 0.1, 0.6, self._post),
            "fresh": lambda: self._kept("fresh", 0.1, 0.4, self._fresh),
            "slow": lambda: self._kept("slow", 0.1, 0.5, self._slow),
            "upload": lambda: self._kept("upload", 0.2, 0.8, self._upload),
            "events": lambda: self._kept("events", 0.1, 0.5, self._events),
            "socket": lambda: self._kept("socket", 0.1, 0.5, self._socket),
        }
        began = time.monotonic()
        tasks = [asyncio.create_task(_run(kinds[kind])) for kind, count in self.mix.items() for _ in range(count)]
        while not self._stop.is_set() and time.monotonic() - began < self._limit:
            await asyncio.sleep(0.05)
        self._stop.set()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.1)  # the last connections close

    async def _kept(self, kind: str, least: float, most: float, once: Callable[[Client], Awaitable[Any]]) -> None:
        client = Client(self.port, self._host, self._tls)
        await asyncio.sleep(self._random.uniform(0, most))
        while not self._stop.is_set():
            sent = time.monotonic()
            try:
                found = await once(client)
                self.tally.answers.append(
                    Answer(kind, sent, time.monotonic(), str(found.get("color")), str(found.get("release")))
                )
            except (Failed, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                client.close()
                self.tally.lost.append(Lost(kind, sent, f"{type(error).__name__} {error}"[:120]))
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(self._random.uniform(least, most))
        client.close()

    async def _get(self, client: Client) -> dict[str, Any]:
        return _right(await client.request("GET", "/"), "greeting")

    async def _api(self, client: Client) -> dict[str, Any]:
        return _right(await client.request("GET", "/api/orders"), "orders")

    async def _post(self, client: Client) -> dict[str, Any]:
        identity = f"{os.getpid()}-{next(self._numbers)}"
        found = _right(await client.request("POST", "/api/orders", json.dumps({"id": identity}).encode()), "times")
        if found["times"] != 1:
            raise Failed(f"handled {found['times']} times")
        self.tally.orders.append(identity)
        return found

    async def _fresh(self, client: Client) -> dict[str, Any]:
        found = _right(await client.request("GET", "/", headers="Connection: close\r\n"), "greeting")
        client.close()
        return found

    async def _slow(self, client: Client) -> dict[str, Any]:
        return _right(await client.request("GET", "/slow?seconds=5"), "color")

    async def _upload(self, client: Client) -> dict[str, Any]:
        found = _right(await client.request("POST", "/upload", b"x" * 300_000), "bytes")
        if found["bytes"] != 300_000:
            raise Failed(f"{found['bytes']} bytes arrived")
        return found

    async def _events(self, client: Client) -> dict[str, Any]:
        status, content = await client.request(
            "GET", "/events?count=10&every=0.5", headers="Accept: text/event-stream\r\n"
        )
        events = [line[6:] for line in content.decode().splitlines() if line.startswith("data: ")]
        if status != 200 or len(events) != 10 or len(set(events)) != 1:
            raise Failed(f"{status} with {len(events)} events of 10 from {set(events)}")
        return {"color": events[0], "release": ""}

    async def _socket(self, client: Client) -> dict[str, Any]:
        del client
        return await _echo(self.port, 10, 0.5)


async def _chunk_size(reader: asyncio.StreamReader, before: bytes) -> int:
    line = await reader.readline()
    if not line.strip():
        raise Failed(f"cut after {len(before)} bytes: {line!r}")
    return int(line, 16)


async def _run(kind: Callable[[], Awaitable[None]]) -> None:
    await kind()


def _right(answer: tuple[int, bytes], key: str) -> dict[str, Any]:
    status, content = answer
    if status != 200:
        raise Failed(f"{status} {content[:60]!r}")
    found = json.loads(content)
    if key not in found or found.get("color") not in ("blue", "green"):
        raise Failed(f"a wrong answer {content[:60]!r}")
    return dict(found)


async def _echo(port: int, count: int, every: float) -> dict[str, Any]:
    """A WebSocket (RFC 6455) that is echoed `count` times and closed in order."""
    reader, writer = await asyncio.open_connection(HOST, port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise Failed(f"no upgrade: {head[:40]!r}")
            found: dict[str, Any] = {}
            for number in range(count):
                writer.write(_frame(1, str(number).encode()))
                found = json.loads(await _read_frame(reader))
                if found["echo"] != str(number):
                    raise Failed(f"echoed {found['echo']} instead of {number}")
                await asyncio.sleep(every)
            writer.write(_frame(8, struct.pack(">H", 1000)))
            await _read_frame(reader)
            return found
    finally:
        writer.close()


def _frame(opcode: int, content: bytes) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
    return struct.pack(">BB", 0x80 | opcode, 0x80 | len(content)) + mask + masked


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    _, length = struct.unpack(">BB", await reader.readexactly(2))
    if length == 126:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
    return await reader.readexactly(length)


def main() -> None:
    """`python -m tests.support.load PORT MIX`: clients until a line arrives on stdin, then what they saw as JSON."""
    with Load(int(sys.argv[1]), json.loads(sys.argv[2])) as load:
        sys.stdin.readline()
        tally = load.stop()
    answers = [[answer.sent, answer.ended, answer.color] for answer in tally.answers]
    lost = [[lost.sent, lost.why] for lost in tally.lost]
    sys.stdout.write(json.dumps({"answers": answers, "lost": lost, "why": tally.why()}))


if __name__ == "__main__":
    main()
