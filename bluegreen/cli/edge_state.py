"""Where the state of an edge is on this machine, and whose."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bluegreen.cli.statefolder import writing
from bluegreen.domain import edge as domain
from bluegreen.domain.app import Edge, Stack
from bluegreen.errors import COMMAND, BluegreenError, ExitCode
from bluegreen.state import folder as folders

LINK = "edge"  # in an app's state folder: leads to the sockets in which its nginx listens for the edge


def with_edge(stack: Stack) -> Stack:
    """The stack, with where its edge is on this machine. Raises BluegreenError."""
    from dataclasses import replace

    edge = stack.settings.edge
    if edge is None:
        return stack
    settings = replace(stack.settings, edge=replace(edge, state=_state_of(edge)))
    return domain.with_sockets(replace(stack, settings=settings))


def _state_of(edge: Edge) -> str:
    """Where the edge that there is has its state; else where this user makes it."""
    from bluegreen.places.docker.proxies import proxies

    name = domain.app_name(edge)
    there = next((it.state for it in proxies() if it.app == name and it.state), None)
    named = os.environ.get(folders.VARIABLE)
    home = os.path.dirname(os.path.abspath(named)) if named else folders.home(os.environ)
    if there is None and home is None:
        raise BluegreenError(
            "This user has no home for the edge's state.", code="no-home", failed="neither HOME nor XDG_STATE_HOME",
            expected="one of them, or root", retry="safe", next=f"HOME=… {COMMAND} up", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    state = there or os.path.join(str(home), name)
    with its_own(state):
        if os.path.lexists(state):
            os.listdir(state)
    return state


def claimed_at(state: Path, app: str) -> str | None:
    """The state folder of the edge at which an app has claimed names; None: it has none.

    The link may be lost with the app's state; the claim is in the edge's.
    """
    with contextlib.suppress(OSError):
        return str(Path(os.readlink(state / LINK)).parent.parent)
    from bluegreen.features.edge.claims import Claims

    edges = [it for it in folders.states(os.environ) if os.path.basename(it).startswith(domain.APP)]
    for it in edges:
        with contextlib.suppress(PermissionError):  # another user's
            if any(claim.app == app for claim in Claims(it).all()):
                return it
    return None


@contextmanager
def its_own(state: str) -> Iterator[None]:
    """What the file system refuses because the edge is another user's."""
    try:
        yield
    except PermissionError as error:
        from bluegreen.cli.where import owner

        whose = owner(Path(state))
        raise BluegreenError(
            f"The edge of this machine belongs to {whose}.", code="edge-not-yours",
            failed=f"{error.strerror}: {error.filename or state}",
            expected="root, or the user whose up has made the edge: it writes into one folder for all its apps",
            retry="safe, as that user or as root", next=f"sudo {COMMAND} up; or listen on a port of its own",
        ) from None  # fmt: skip
    except OSError:
        with writing(Path(state)):
            raise
