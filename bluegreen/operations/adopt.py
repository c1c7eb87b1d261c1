"""Taking over from plain Compose: who holds the public port today, and how nginx comes to hold it.

The first color stands proven behind a proxy that is not published yet. Then the old containers are stopped
and a published proxy takes the place of the other one; if nginx cannot start, everything is put back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from bluegreen.operations.ports import Tools
from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import PlainContainer, Stack

ANSWER_TIMEOUT = 10.0  # seconds until the published nginx must answer; it takes 0.3
ASK_AGAIN = 0.01  # seconds


def find_plain(tools: Tools, stack: Stack, adopt: bool) -> tuple[PlainContainer, ...]:
    """Running containers that plain Compose made of the release services, to be taken over.

    Raises BluegreenError when a port of `listen` or `preview` is held and nobody said that it may be taken.
    """
    wanted = [*stack.settings.listen, *([stack.settings.preview] if stack.settings.preview else [])]
    plain = tools.engine.plain_containers(stack.settings.release_services())
    for listen in wanted:
        holder = tools.engine.port_holder(listen)
        if holder is None or (adopt and holder in [container.name for container in plain]):
            continue
        raise _held(tools, str(listen), holder, plain)
    jobs = [container.name for container in plain if container.service in stack.settings.jobs]
    if jobs and not adopt:
        raise BluegreenError(
            f"{jobs[0]}, which plain Compose runs, does the work of a job.",
            failed=f"{', '.join(jobs)} would run beside the job of the live color", expected="a job in one place only",
            traffic="no color is live yet", retry="safe",
            next=f"{tools.command} up --adopt (takes over what plain Compose runs of the release services)",
        )  # fmt: skip
    if plain and not adopt:
        names = ", ".join(container.name for container in plain)
        tools.show.notice(f"Plain Compose runs {names} beside the colors; {tools.command} up --adopt would take over.")
    return plain if adopt else ()


def _held(tools: Tools, port: str, holder: str, plain: Sequence[PlainContainer]) -> BluegreenError:
    mine = holder in [container.name for container in plain]
    if mine:
        return BluegreenError(
            f"Port {port} is held by {holder}, which plain Compose runs.",
            failed=f"nginx cannot be published on {port} beside it",
            expected="a free port, or your word that bluegreen may take it over",
            traffic=f"{holder} (unchanged)",
            retry="safe",
            next=f"{tools.command} up --adopt (the first color is proven, then {holder} is stopped)",
        )
    known = f"container {holder}" if holder else "a process that is no container"
    return BluegreenError(
        f"Port {port} is held by {known}.",
        failed=f"nginx cannot be published on {port} beside it",
        expected=f"{port} free (listen and preview in x-bluegreen)",
        retry="safe, when the port is free or another is chosen",
        next=f"docker stop {holder}, or another listen" if holder else "ss -ltnp (shows who holds it)",
    )


class Adoption:
    """One take-over: `take_over` is a step of the cutover, `put_back` its undo."""

    def __init__(self, tools: Tools, stack: Stack, plain: tuple[PlainContainer, ...]) -> None:
        self._tools, self._stack, self.plain = tools, stack, plain
        self._stopped: list[PlainContainer] = []
        self._published: str | None = None
        self.milliseconds: int | None = None  # from the word to stop until nginx answers

    @property
    def names(self) -> str:
        return ", ".join(container.name for container in self.plain)

    @property
    def serving(self) -> str:
        return ", ".join(it.name for it in self.plain if it.service not in self._stack.settings.jobs)

    def take_over(self) -> str:
        """Stops the old containers and starts the published nginx. Raises BluegreenError; then `put_back`."""
        tools = self._tools
        self._published = tools.colors.next_proxy(self._stack, tools.show.progress)
        proxy = tools.engine.proxy()
        if proxy:
            tools.engine.stop(proxy.id, 1)
        jobs = [container for container in self.plain if container.service in self._stack.settings.jobs]
        began = tools.clock()
        self._stop([container for container in self.plain if container not in jobs])
        tools.colors.start_proxy(self._published, self._stack)
        self._await_answer(self._published)
        self.milliseconds = round((tools.clock() - began) * 1000)
        self._stop(jobs)
        return f"{self.names} stopped, nginx answers on its ports; {self.milliseconds} ms between the two"

    def _stop(self, containers: Sequence[PlainContainer]) -> None:
        for container in containers:
            self._stopped.append(container)
            self._tools.engine.stop(container.id)

    def _await_answer(self, proxy: str, again: bool = False) -> None:
        tools = self._tools
        deadline = tools.clock() + ANSWER_TIMEOUT
        while tools.nginx.answer() is None:
            # Every moment counts: one start that ended, even if the Engine would try again, is a failure.
            if tools.clock() > deadline or (not again and tools.engine.exit_of(proxy)[:2] != (0, 0)):
                raise BluegreenError(
                    "nginx did not start on the public ports.",
                    failed="; ".join(tools.engine.log_tail(proxy, 2)) or "it wrote nothing",
                    expected="an answer on its control socket",
                )
            tools.sleep(ASK_AGAIN)

    def put_back(self) -> None:
        """The old containers first, then the proxy without public ports. Goes on when one of them fails."""
        tools = self._tools
        if self._published:
            with contextlib.suppress(BluegreenError):
                tools.engine.remove(self._published)
        problems = []
        for container in self._stopped:
            try:
                tools.engine.start(container.id)
            except BluegreenError as error:
                problems.append(f"{container.name}: {error}")
        proxy = tools.engine.proxy()
        if proxy:
            tools.engine.start(proxy.id)
            self._await_answer(proxy.id, again=True)
        if problems:
            raise BluegreenError("Not every old container came back.", failed="; ".join(problems))

    def finish(self) -> str:
        """The old containers are removed, their volumes stay; the published proxy gets its name."""
        if self._published:
            self._tools.colors.name_proxy(self._published)
        for container in self.plain:
            self._tools.engine.remove_keeping_volumes(container.id)
        return f"{self.names} removed; volumes stay"
