"""nginx's log, read: the requests of visitors, as values, up to now or as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from bluegreen.domain.traffic import Seen, parse
from bluegreen.flow.ports import ContainersPort

LATELY = 20_000  # lines of the log that say what is usual by now
WAITING = 20_000  # requests that may wait to be looked at; who reads more slowly makes the Engine wait
MOST = 4 * 1024 * 1024  # bytes without the end of a line


def recent(
    containers: ContainersPort, proxy: str, most: int | None = None, since: float | None = None
) -> Iterator[Seen]:
    """The last requests, oldest first. `most`: lines of the log; `since`: seconds since the epoch.

    Raises BluegreenError.
    """
    return seen(containers.follow_log(proxy, most, follow=False, since=since))


def seen(chunks: Iterable[bytes]) -> Iterator[Seen]:
    """The requests in what the Engine gives of a log: lines, each behind the Engine's own time stamp."""
    return (one for _, one in stamped(chunks) if one)


def stamped(chunks: Iterable[bytes]) -> Iterator[tuple[str, Seen | None]]:
    """Each line of a log: the Engine's time stamp, and the request; None: it is something else."""
    return map(_stamped, lines(chunks, MOST))


def lines(chunks: Iterable[bytes], most: int | None = None) -> Iterator[bytes]:
    """The lines of a log that comes in pieces. `most`: bytes without an end of a line that are kept."""
    rest = b""
    for chunk in chunks:
        *found, rest = (rest + chunk).split(b"\n")
        rest = rest if most is None or len(rest) < most else b""
        yield from found
    if rest:
        yield rest


def _stamped(line: bytes) -> tuple[str, Seen | None]:
    stamp, _, text = line.partition(b" ")
    return stamp.decode(errors="replace"), parse(text)


class Following:
    """Requests as they come, from its start on, taken in by a thread of its own. Never raises."""

    def __init__(self, containers: ContainersPort, proxy: str) -> None:
        self._containers, self._proxy = containers, proxy
        self._queue: queue.Queue[Seen] = queue.Queue(WAITING)
        self._left = threading.Event()
        self.ended = ""  # why there are no more; empty: they go on
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def take(self, seconds: float) -> list[Seen]:
        """What has come; waits for the first for so long at most."""
        try:
            found = [self._queue.get(timeout=seconds)]
        except queue.Empty:
            return []
        while len(found) < WAITING:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return found

    def leave(self) -> None:
        """Nobody listens any more; the thread ends with the next line, or with the process."""
        self._left.set()

    def _read(self) -> None:
        try:
            for one in seen(self._containers.follow_log(self._proxy, 0, follow=True)):
                while not self._left.is_set():
                    try:
                        self._queue.put(one, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if self._left.is_set():
                    return
            self.ended = "nginx's log has ended"
        except Exception as error:  # noqa: BLE001 - whatever ends it, the command goes on, and says so
            self.ended = f"nginx's log cannot be read: {error}"
