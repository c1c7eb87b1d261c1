"""Each replica has to prove itself, through the proxy and by Docker's own health check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from bluegreen.domain.app import Health, Route
from bluegreen.domain.units import parse_duration
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.domain.world import DockerHealth, Replica
from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making
from bluegreen.flow.values import Check

ASK_AGAIN = 0.25  # seconds between two looks at the Engine
LOG_LINES = 12  # last lines of a failed container that an error shows
MANY_RESTARTS = 3  # a replica that the Engine restarted this often is not going to be healthy


def health(it: Making) -> str:
    known = it.new.addresses or (it.new.slot.addresses if it.new.slot else {})
    checks = [
        Check(f"{route.service}-{number}", address, route.port, route.host, _policy(it, route))
        for route in it.stack.settings.fronts
        if route.port
        for number, address in enumerate(known.get(route.service, ()), 1)
    ]
    began = it.tools.clock()
    missing = it.tools.prober.wait(checks, partial(_between, it))
    if missing:
        raise _unhealthy(it, missing, [replica for replica in it.mine() if replica.role == "routed"])
    _await_docker_health(it, began)
    return counted(sum(map(len, known.values())), "replica")


def _policy(it: Making, route: Route) -> Health:
    """The route's own; no shorter than Docker's health check lets the service start."""
    healthcheck = it.stack.services[route.service].get("healthcheck") or {}
    try:
        begins = parse_duration(healthcheck.get("start_period") or 0)
    except ValueError:
        begins = 0.0  # less than a thousandth of a second, as Compose may write it
    return replace(route.health, timeout=max(route.health.timeout, 0.0 if healthcheck.get("disable") else begins))


def _between(it: Making, text: str) -> None:
    """Between two rounds: show how far it is, and see whether waiting on makes any sense."""
    it.tools.show.progress(text)
    for replica in it.mine():
        if replica.role == "routed" and replica.state in ("restarting", "exited", "dead"):
            last, restarts, words = it.tools.containers.exit_of(replica.id)
            if replica.state != "restarting" or restarts >= MANY_RESTARTS:
                raise _crashed(it, replica, replica.exit_code or last, restarts, words)


def _await_docker_health(it: Making, began: float) -> None:
    patience = {route.service: _policy(it, route).timeout for route in it.stack.settings.routes}
    asked: dict[str, DockerHealth] = {}
    while True:
        waiting = [r for r in it.mine() if r.role == "routed" and r.health not in (None, "healthy")]
        if not waiting:
            return
        for replica in waiting:
            over = it.tools.clock() - began > patience[replica.service]
            if over and replica.id not in asked:  # its image may have a start period of its own
                asked[replica.id] = it.tools.containers.docker_health(replica.id)
                patience[replica.service] = max(patience[replica.service], asked[replica.id].patience)
                over = it.tools.clock() - began > patience[replica.service]
            if over or replica.health == "unhealthy":
                raise _docker_says(it, replica, it.tools.clock() - began)
        it.tools.show.progress(f"Docker's health check of {waiting[0].name}: {waiting[0].health}")
        it.tools.sleep(ASK_AGAIN)


def _docker_says(it: Making, replica: Replica, seconds: float) -> BluegreenError:
    last = it.tools.containers.docker_health(replica.id)
    said = [f"healthcheck  {line}" for line in it.tools.mask(last.output).splitlines()[-LOG_LINES:]]
    return BluegreenError(
        f"{it.new.color} did not become healthy in {seconds:.0f} s.", code="not-healthy",
        failed=f"Docker's own health check of {replica.service}-{replica.number} says {replica.health}"
        f"{it.tools.mask(last.words)}",
        expected="healthy, as the service's healthcheck defines it",
        retry="safe", lines=[*said, *_last_lines(it, replica)],
    )  # fmt: skip


def _unhealthy(it: Making, missing: Mapping[str, tuple[int, str]], routed: list[Replica]) -> BluegreenError:
    name, (tries, last) = next(iter(missing.items()))
    replica = next((r for r in routed if f"{r.service}-{r.number}" == name), None)  # None: somebody has removed it
    service = name.rpartition("-")[0]
    policy = next(_policy(it, route) for route in it.stack.settings.routes if route.service == service)
    more = f"; {len(missing) - 1} more replicas are not healthy either" if len(missing) > 1 else ""
    return BluegreenError(
        f"{it.new.color} did not become healthy in {policy.timeout:g} s.",
        code="not-healthy",
        failed=f"GET {policy.path} of {name} through the proxy {last} ({tries} tries){more}",
        expected=expectation(policy),
        retry="safe",
        lines=_last_lines(it, replica) if replica else [],
    )


def _crashed(it: Making, replica: Replica, code: int, restarts: int, words: str) -> BluegreenError:
    return BluegreenError(
        f"{it.new.color} did not become healthy: {replica.service}-{replica.number} keeps ending.",
        code="keeps-ending",
        failed=f"exit code {code}, {restarts} restarts{f', {words}' if words else ''}",
        expected="a process that stays and answers its health check",
        retry="safe",
        lines=_last_lines(it, replica),
    )


def _last_lines(it: Making, replica: Replica) -> list[str]:
    return [
        f"{replica.service}-{replica.number}  {line}" for line in it.tools.containers.log_tail(replica.id, LOG_LINES)
    ]
