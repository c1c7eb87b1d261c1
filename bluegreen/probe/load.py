"""A small load on 127.0.0.1 for the time of a rehearsal: what was answered, and what was not."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

CLIENTS = 4  # connections that ask in turn
PAUSE = 0.02  # seconds that each thinks between two requests
LONGEST = 600.0  # seconds after which it stops by itself
ANSWER_TIMEOUT = 30.0  # seconds; an answer that takes longer is lost
SILENT = (502, 503, 504)  # what nginx says for a service that did not answer


@dataclass
class Load:
    """GETs to one port of this machine; a request is lost when it gets no complete answer of the service."""

    port: int
    paths: Sequence[str]
    host: str = "localhost"
    answered: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_TIMEOUT)

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT)
        deadline = time.monotonic() + LONGEST
        while not self._stop.is_set() and time.monotonic() < deadline:
            path = self.paths[number % len(self.paths)]
            number += 1
            try:
                connection.request("GET", path, headers={"Host": self.host, "User-Agent": "bluegreen-rehearsal"})
                answer = connection.getresponse()
                answer.read()
                why = f"{path} answered {answer.status}" if answer.status in SILENT else ""
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                why = f"{path}: {type(error).__name__}"
            with self._lock:
                if why:
                    self.lost[why] += 1
                else:
                    self.answered += 1
            self._stop.wait(PAUSE)
        connection.close()
