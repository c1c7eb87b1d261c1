"""Health checks: the wait until enough probes are good in a row, and recorded requests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpcore
import httpx

from bluegreen.domain.answers import Answer, Expectation
from bluegreen.probe.once import Target, once
from bluegreen.unix_http import OPENED, listener, socket_at

MAX_ANSWER = 1024 * 1024  # bytes of an answer that is compared with a recorded one
ANSWER_SECONDS = 30.0  # for such an answer
MAX_SECONDS = 60.0  # for a request without a limit of its own; there is none today


@dataclass(eq=False)
class Tries:
    """What a wait has seen of one target."""

    target: Target
    count: int = 0
    streak: int = 0
    last: str = "not tried yet"
    due: float = 0.0  # when to ask again, by the prober's clock

    @property
    def proven(self) -> bool:
        return self.streak >= self.target.policy.successes

    def note(self, reason: str | None) -> None:
        self.count += 1
        self.streak = 0 if reason else self.streak + 1
        self.last = reason or "as expected"


class Unproven(Exception):
    """The time is over; carries what was tried."""

    def __init__(self, tries: Sequence[Tries]) -> None:
        self.tries = tuple(tries)
        super().__init__("not healthy in time")


class _Within(httpcore.NetworkStream):
    """A connection on which everything must have happened within a time: one byte a second is no answer."""

    def __init__(self, inner: httpcore.NetworkStream, clock: Callable[[], float], seconds: float) -> None:
        self._inner, self._clock, self._deadline = inner, clock, clock() + seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline - self._clock()
        if left <= 0:
            raise httpcore.ReadTimeout("timed out")
        return self._inner.read(max_bytes, min(left, timeout or left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """As the base does, to the very socket that is there; each connection has the time of its one request."""
        try:
            descriptor, users = socket_at(path)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        try:
            inner = super().connect_unix_socket(f"{OPENED}/{descriptor}", timeout, socket_options)
        finally:
            os.close(descriptor)
        if listener(inner.get_extra_info("socket"))[1] not in users:
            inner.close()
            raise httpcore.ConnectError("another user listens there")
        return _Within(inner, self._clock, timeout or MAX_SECONDS)


@dataclass
class Prober:
    """Probes through the sockets of one proxy, so that a check goes the way that traffic will go."""

    sockets: Path
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    def ask(self, socket: str, request: Expectation) -> Answer:
        """One request to a listener of the proxy, by its socket. Bounded in time and in bytes; follows nothing."""
        headers = {"Host": "localhost", "User-Agent": "bluegreen", "Accept-Encoding": "identity", "Accept": "*/*"}
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in given} | dict(request.headers)
        content = request.body.encode() if request.body is not None else None
        try:
            with self._client(socket).stream(
                request.method, request.path, headers=headers, content=content, timeout=ANSWER_SECONDS
            ) as response:
                body = b""
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        return Answer(problem=f"answered more than {MAX_ANSWER} bytes")
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, names, body.decode(errors="replace"))
        except httpx.ReadTimeout:
            return Answer(problem=f"did not answer completely within {ANSWER_SECONDS:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return Answer(problem=f"did not answer ({error or type(error).__name__})")

    def _client(self, name: str) -> httpx.Client:
        if name not in self._clients:
            # A new connection each time: one kept from before a reload would end at a former worker.
            transport = httpx.HTTPTransport()
            # httpx limits the time between two bytes; only its connection pool can limit all of it.
            transport._pool = httpcore.ConnectionPool(
                uds=str(self.sockets / name), max_keepalive_connections=0, network_backend=_Backend(self.clock)
            )
            self._clients[name] = httpx.Client(
                transport=transport, base_url="http://bluegreen", trust_env=False, follow_redirects=False
            )
        return self._clients[name]

    def once(self, targets: Sequence[Target]) -> list[tuple[Target, str | None]]:
        """One probe of each, at the same time."""
        return once(str(self.sockets), targets)

    def wait(
        self, targets: Sequence[Target], between: Callable[[Sequence[Tries]], None] = lambda _: None
    ) -> list[Tries]:
        """Waits until each target was healthy `successes` times in a row.

        Each is asked at its own interval, and has its own time. `between` is called after every round; what it raises
        ends the wait. Raises Unproven when the time of one is over; those whose it is come first.
        """
        tries = [Tries(target) for target in targets]
        waiting, began = list(tries), self.clock()
        while waiting:
            due = [attempt for attempt in waiting if attempt.due <= self.clock()]
            for attempt, (_, reason) in zip(due, self.once([it.target for it in due]), strict=True):
                attempt.note(reason)
                attempt.due = self.clock() + attempt.target.policy.interval
            between(tries)
            waiting = [attempt for attempt in waiting if not attempt.proven]
            over = [it for it in waiting if self.clock() - began >= it.target.policy.timeout]
            if over:
                raise Unproven([*over, *(it for it in tries if it not in over)])
            if waiting:
                self.sleep(max(0.0, min(attempt.due for attempt in waiting) - self.clock()))
        return tries

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
