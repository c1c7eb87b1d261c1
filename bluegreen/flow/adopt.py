"""Taking over from plain Compose: who has the public port today, and how nginx gets it.

The first color is checked and ready, behind a proxy that is not published yet. Then the old containers are stopped
and the proxy is published; if that fails, everything is put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bluegreen.domain.app import Listen, Stack
from bluegreen.domain.owner import Owner
from bluegreen.domain.words import OUTSIDE_DOCKER
from bluegreen.domain.world import PlainContainer
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.prerequisites import run_proxy
from bluegreen.flow.values import Tools


def find_plain(tools: Tools, stack: Stack, adopt: bool) -> tuple[PlainContainer, ...]:
    """Containers of plain Compose to be taken over: those of services that are ours, and holders of our ports whose
    service is not in the Compose file any more.

    Raises BluegreenError when a port of `listen` or `preview` is held and nobody said that it may be taken.
    """
    holders = tools.engine.port_holders(stack.settings.listeners())
    if any(holders.values()) and (goes := tools.edge.goes(stack)):
        holders = {listen: None if holder in goes else holder for listen, holder in holders.items()}
    plain, problems = _look(tools, stack, adopt, holders)
    if problems:
        raise next(iter(problems.values()))
    running = [container for container in plain if container.running]
    jobs = [container.name for container in running if container.service in stack.settings.jobs]
    if jobs and not adopt:
        raise BluegreenError(
            f"Plain Compose runs {jobs[0]}, and x-bluegreen.jobs names its service.", code="job-in-compose",
            failed=f"{', '.join(jobs)} and the job of the live color would do the same work twice",
            expected="a job in one place only",
            retry="safe",
            next=f"{tools.command} up --adopt (takes over from plain Compose)",
        )  # fmt: skip
    if running and not adopt:
        names = ", ".join(container.name for container in running)
        tools.show.notice(f"Plain Compose still runs {names}. To take over: {tools.command} up --adopt")
    return plain if adopt else ()


def held_ports(tools: Tools, stack: Stack) -> dict[Listen, PortHeld]:
    """Who holds each port that nginx needs; free ones are absent."""
    holders = tools.engine.port_holders(stack.settings.listeners())
    return _look(tools, stack, False, holders)[1] if any(it is not None for it in holders.values()) else {}


def _look(
    tools: Tools, stack: Stack, adopt: bool, holders: Mapping[Listen, str | None]
) -> tuple[tuple[PlainContainer, ...], dict[Listen, PortHeld]]:
    found = tools.engine.plain_containers()
    plain = tuple(
        container
        for container in found
        if container.service in stack.settings.own_services()
        # An nginx that was taken out of the file, because bluegreen's replaces it.
        or (container.service not in stack.services and container.name in holders.values())
    )
    problems = {}
    for listen, holder in holders.items():
        if holder is not None and not (adopt and holder in [container.name for container in plain]):
            shared = next((it.service for it in found if it.name == holder and it not in plain), None)
            problems[listen] = _held(tools, listen, holder, shared, plain)
    return plain, problems


class PortHeld(BluegreenError):
    """Somebody else has a port that nginx must be published on."""


def _held(tools: Tools, port: Listen, holder: str, shared: str | None, plain: Sequence[PlainContainer]) -> PortHeld:
    mine = holder in [container.name for container in plain]
    if mine:
        return PortHeld(
            f"Port {port} is held by {holder}, which plain Compose runs.",
            code="port-taken",
            failed=f"nginx cannot be published on {port} while {holder} has it",
            expected="a free port, or --adopt: bluegreen takes it over",
            traffic=f"{holder} (unchanged)",
            retry="safe",
            next=f"{tools.command} up --adopt (checks the first color, then stops {holder})",
        )
    owner = (tools.engine.owners().get(holder) or Owner(holder)) if holder else None
    known = owner.words if owner else OUTSIDE_DOCKER
    who = holder or tools.engine.port_process(port) or "a process"
    way_out = owner.way_out("another listen or preview in x-bluegreen") if owner else "ss -ltnp (shows who holds it)"
    if shared:
        way_out = f"take {shared} out of the Compose file, then {tools.command} up --adopt; or another listen"
    return PortHeld(
        f"Port {port} is held by {known}.",
        code="port-taken",
        failed=f"nginx cannot be published on {port} while {who} has it",
        expected=f"{port} free (listen and preview in x-bluegreen)",
        retry="safe, once the port is free or you chose another",
        next=way_out,
    )


class Adoption:
    """One take-over: `take_over` is a step of the cutover, `put_back` its undo."""

    def __init__(self, tools: Tools, stack: Stack, plain: tuple[PlainContainer, ...]) -> None:
        self._tools, self._stack, self.plain = tools, stack, plain
        self._stopped: list[PlainContainer] = []
        self.begun = False
        self._publishes = False  # whether nginx had no port before
        self.milliseconds: int | None = None  # from the first stop until nginx is published

    @property
    def names(self) -> str:
        return ", ".join(container.name for container in self.plain)

    @property
    def serving(self) -> str:
        """Who answered on the public port before."""
        jobs = self._stack.settings.jobs
        names = [container.name for container in self.plain if container.running and container.service not in jobs]
        return f"{', '.join(names)} of plain Compose" if names else "none"

    @property
    def restored(self) -> str:
        """Where traffic is after `put_back`; empty: nginx had the port all along."""
        if not self._publishes:
            return ""
        return f"{self.serving} ({'unchanged' if self.serving == 'none' else 'started again'})"

    def lost(self, cause: Exception, left: BluegreenError) -> BluegreenError:
        """The error for a `put_back` that failed with `left`."""
        return BluegreenError(
            "The take-over failed, and not everything could be put back.", code="take-over-failed",
            failed=f"{cause}; {left}", expected=f"{self.names} to run as before", traffic="unknown; look now",
            retry="not before you looked", next="docker ps -a", exit_code=ExitCode.UNKNOWN,
        )  # fmt: skip

    @property
    def said(self) -> str:
        """One sentence for the person, afterwards."""
        return f"Taken over from {self.names}. Requests failed for at most {self.milliseconds} ms."

    def take_over(self) -> str:
        """Stops the old containers and publishes nginx. Raises BluegreenError; then `put_back`."""
        tools = self._tools
        proxy = tools.proxy.container()
        if proxy is None:
            raise BluegreenError(
                "The proxy is gone.",
                code="proxy-gone",
                failed="its container was removed",
                expected="the container that was started a moment ago",
            )
        jobs = [container for container in self.plain if container.service in self._stack.settings.jobs]
        self.begun, self._publishes = True, not proxy.published
        began = tools.clock()
        self._stop([container for container in self.plain if container not in jobs])
        if not proxy.published:
            tools.proxy.publish(proxy.id, self._stack)
        self.milliseconds = round((tools.clock() - began) * 1000)
        self._stop(jobs)
        return f"{self.names} stopped, nginx published {self.milliseconds} ms later"

    def _stop(self, containers: Sequence[PlainContainer]) -> None:
        for container in (container for container in containers if container.running):
            self._stopped.append(container)
            self._tools.containers.stop(container.id)

    def put_back(self) -> None:
        """The old containers start again, then a proxy without ports; goes on when one of them fails.

        An nginx that had its ports before keeps them: it serves visitors.
        """
        proxy = self._tools.proxy.container() if self._publishes else None
        if proxy:  # a container that could not join a network keeps half of it (Engine 20.10); only a new one is clean
            self._tools.containers.remove(proxy.id)
        problems = []
        for container in self._stopped:
            try:
                self._tools.containers.start(container.id)
            except BluegreenError as error:
                problems.append(f"{container.name}: {error}")
        if self._publishes:
            run_proxy(self._tools, self._stack, published=False)
        if problems:
            raise BluegreenError(
                "Not every old container came back.",
                code="take-over-failed",
                failed="; ".join(problems),
                expected="all running",
            )

    def finish(self) -> str:
        """The old containers are removed; all their volumes stay."""
        for container in self.plain:
            self._tools.containers.remove(container.id, volumes=False)
        return f"{self.names} removed; volumes stay"
