"""One probe of each replica, the way that traffic will go: through our nginx. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bluegreen.domain.app import Health
from bluegreen.domain.verdict import judge
from bluegreen.unix_http import NoAnswer, StillAnswering, get

MAX_BODY = 64 * 1024  # bytes read of an answer; health answers are small, and an endless one must end
SILENT = "x-bluegreen-probe"  # set by our nginx when the replica itself said nothing; its words are the reason
PARALLEL = 16  # probes at once


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
    """Why the target is not healthy, in a phrase; None: it is. Bounded in time and in bytes."""
    policy, path = target.policy, target.path or target.policy.path
    socket = "preview.sock"
    if target.address is not None:
        socket, path = "probe.sock", f"/probe/{target.address}/{target.port}{path}"
    try:
        status, headers, body = get(
            f"{sockets}/{socket}", path, target.host or "localhost", policy.request_timeout, MAX_BODY
        )
    except StillAnswering as error:
        return str(error)
    except NoAnswer as error:
        return f"gave no answer ({error})"
    text = body.decode(errors="replace")
    return text if SILENT in headers else judge(policy, status, headers, text)


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
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(zip(targets, found, strict=True))
