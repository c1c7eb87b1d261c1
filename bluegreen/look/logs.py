"""Logs of both colors, interleaved, each line with the name of its container."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.flow.ports import ContainersPort
from bluegreen.flow.traffic import lines as in_lines
from bluegreen.flow.values import Tools

WAITING = 1000  # lines that may wait to be printed; a container that writes more waits


@dataclass(frozen=True)
class Speaker:
    """A container whose log is read. `color`: empty for one that both colors use."""

    id: str
    name: str
    color: str = ""


@dataclass(frozen=True)
class Line:
    """One line of one container; `moment` is the Engine's time stamp."""

    replica: Speaker
    moment: str
    text: str


def choose(tools: Tools, color: str | None, service: str | None) -> list[Speaker]:
    """The containers whose logs are read: of colors, or of a shared service or the proxy, which both use.

    Raises BluegreenError when there is none.
    """
    everything = tools.containers.replicas()
    chosen = [r for r in everything if color in (None, r.color) and service in (None, r.service)]
    found = [Speaker(it.id, it.name, it.color) for it in chosen]
    if not found:
        plain, proxy = tools.engine.plain_containers(), tools.proxy.container()
        shared = {it.service: [Speaker(one.id, one.name) for one in plain if one.service == it.service] for it in plain}
        shared |= {"proxy": [Speaker(proxy.speaker, proxy.speaker)]} if proxy and "proxy" not in shared else {}
        found = shared.get(service or "", []) if color is None else []
        there = sorted({f"{replica.color} {replica.service}" for replica in everything} | set(shared))
    if not found:
        raise BluegreenError(
            "There is no container to read logs from.",
            code="no-such-logs",
            failed=f"no container of {' '.join(filter(None, (color, service))) or 'any color'}",
            expected=f"one of: {', '.join(there)}" if there else f"a release; {COMMAND} up starts the first",
            retry="safe",
            next=f"{COMMAND} status",
        )
    return found


def lines(containers: ContainersPort, replicas: list[Speaker], tail: int | None, follow: bool) -> Iterator[Line]:
    """The lines of all containers in the order of their time stamps; when followed, as they come."""
    if not follow:
        found = [line for replica in replicas for line in _read(containers, replica, tail, follow=False)]
        yield from sorted(found, key=lambda line: line.moment)
        return
    waiting: queue.Queue[Line | None] = queue.Queue(WAITING)

    def pump(replica: Speaker) -> None:
        try:
            for line in _read(containers, replica, tail, follow=True):
                waiting.put(line)
        except BluegreenError:
            pass  # the container is gone, and its log ends
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


def _read(containers: ContainersPort, replica: Speaker, tail: int | None, follow: bool) -> Iterator[Line]:
    for raw in in_lines(containers.follow_log(replica.id, tail, follow)):
        yield _line(replica, raw)


def _line(replica: Speaker, raw: bytes) -> Line:
    moment, _, text = raw.decode(errors="replace").rstrip("\r").partition(" ")
    return Line(replica, moment, text)
