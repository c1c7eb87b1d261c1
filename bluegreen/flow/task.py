"""A one-off container from its start to its end: watched, bounded in time, its output kept, nothing left."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.flow.values import Tools

ASK_AGAIN = 0.2  # seconds between two looks at it
OUTPUT_LINES = 2000  # kept of what it writes, the last ones


@dataclass(frozen=True)
class Ended:
    """How a one-off run ended. `code` None: it did not end in time, or was stopped."""

    code: int | None
    output: str
    why: str = ""

    @property
    def succeeded(self) -> bool:
        return self.code == 0

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


def run_to_end(tools: Tools, container: str, timeout: float, what: str) -> Ended:
    """Starts a container that was created, waits for its end (`timeout` in seconds) and removes it.

    One that is too slow, or that we leave because of a signal, gets its stop signal and grace period first.
    """
    began, shown = tools.clock(), ""
    try:
        with tools.signals.deferred():  # a signal that comes meanwhile is raised at its end, and the container runs
            tools.containers.start(container)
        while (code := tools.containers.end_of(container)) is None and tools.clock() - began < timeout:
            last = tools.containers.log_tail(container, 1)
            if last and last[-1] != shown:
                shown = last[-1]
                tools.show.progress(f"{what}: {tools.mask(shown)}")
            tools.sleep(ASK_AGAIN)
        if code is None:
            with tools.signals.deferred():
                tools.containers.stop(container)
        why = f"did not end within {timeout:g} s" if code is None else f"exit code {code}"
        return Ended(code, output_of(tools, container), why if code != 0 else "")
    finally:
        with tools.signals.deferred():
            end(tools, container)


def output_of(tools: Tools, container: str) -> str:
    """What it wrote, without known secrets."""
    return tools.mask("\n".join(tools.containers.log_tail(container, OUTPUT_LINES)))


def end(tools: Tools, container: str) -> None:
    """Stops it, if it runs, and removes it."""
    if tools.containers.end_of(container) is None:
        tools.containers.stop(container)
    tools.containers.remove(container)
