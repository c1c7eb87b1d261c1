"""Logs of both colors, interleaved, each line with the name of its container."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from bluegreen.domain.world import Replica
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.flow.ports import ContainersPort

WAITING = 1000  # lines that may wait to be printed; a container that writes more waits


@dataclass(frozen=True)
class Line:
    """One line of one container; `moment` is the Engine's time stamp."""

    replica: Replica
    moment: str
    text: str


def choose(containers: ContainersPort, color: str | None, service: str | None) -> list[Replica]:
    """The containers whose logs are meant. Raises BluegreenError when there is none."""
    everything = containers.replicas()
    chosen = [r for r in everything if color in (None, r.color) and service in (None, r.service)]
    if not chosen:
        there = sorted({f"{replica.color} {replica.service}" for replica in everything})
        raise BluegreenError(
            "There is no container with such logs.",
            failed=f"nothing runs as {' '.join(filter(None, (color, service))) or 'any color'}",
            expected=", ".join(there) or f"a color; {COMMAND} up makes the first",
            retry="safe",
            next=f"{COMMAND} status",
        )
    return chosen


def lines(containers: ContainersPort, replicas: list[Replica], tail: int | None, follow: bool) -> Iterator[Line]:
    """The lines of all containers in the order of their time stamps; when followed, as they come."""
    if not follow:
        found = [line for replica in replicas for line in _read(containers, replica, tail, follow=False)]
        yield from sorted(found, key=lambda line: line.moment)
        return
    waiting: queue.Queue[Line | None] = queue.Queue(WAITING)

    def pump(replica: Replica) -> None:
        try:
            for line in _read(containers, replica, tail, follow=True):
                waiting.put(line)
        except BluegreenError:
            pass  # the container went away; its followers end with it
        finally:
            waiting.put(None)

    for replica in replicas:
        threading.Thread(target=pump, args=(replica,), daemon=True).start()
    open_streams = len(replicas)
    while open_streams:
        line = waiting.get()
        if line is None:
            open_streams -= 1
        else:
            yield line


def _read(containers: ContainersPort, replica: Replica, tail: int | None, follow: bool) -> Iterator[Line]:
    rest = b""
    for chunk in containers.follow_log(replica.id, tail, follow):
        *whole, rest = (rest + chunk).split(b"\n")
        for raw in whole:
            yield _line(replica, raw)
    if rest:
        yield _line(replica, rest)


def _line(replica: Replica, raw: bytes) -> Line:
    moment, _, text = raw.decode(errors="replace").rstrip("\r").partition(" ")
    return Line(replica, moment, text)
