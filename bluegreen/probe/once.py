"""One probe of each replica, the way that traffic will go: through our nginx. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bluegreen.domain.app import Health
from bluegreen.probe import one

PARALLEL = 16  # probes at the same time


@dataclass(frozen=True)
class Target:
    """What to probe: a replica by its address, or (address None) a route through the preview listener."""

    name: str
    address: str | None
    port: int
    host: str | None
    policy: Health
    path: str | None = None  # instead of the policy's


def probe(sockets: str, target: Target) -> str | None:
    """Why the target is not healthy, in a phrase; None: it is."""
    at = (target.address, target.port) if target.address is not None else None
    return one.probe(sockets, at, target.host, target.policy, target.path or target.policy.path)


def once(sockets: str, targets: Sequence[Target]) -> list[tuple[Target, str | None]]:
    """One probe of each, at the same time."""
    if len(targets) < 2:
        return [(target, probe(sockets, target)) for target in targets]
    return _parallel(lambda target: probe(sockets, target), targets)


def _parallel(ask: Callable[[Target], str | None], targets: Sequence[Target]) -> list[tuple[Target, str | None]]:
    import threading  # a lone replica, which is most, does without

    found: list[str | None] = ["was not asked"] * len(targets)

    def work(place: int) -> None:
        for number in range(place, len(targets), PARALLEL):
            found[number] = ask(targets[number])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(min(PARALLEL, len(targets)))]
    for place, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:  # this user may have no more of them
            work(place)
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    return list(zip(targets, found, strict=True))


def reasons(sockets: str, targets: Sequence[Any]) -> list[str | None]:
    """The same of ((address, port), host, policy) each: what is wrong, in their order."""
    wanted = [Target("", at[0], at[1], host, policy) for at, host, policy in targets]
    return [reason for _, reason in once(sockets, wanted)]
