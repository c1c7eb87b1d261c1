"""One probe, the way that traffic will go: through our nginx. Standard library only, and little of it."""

from __future__ import annotations

from bluegreen.domain.verdict import Unreached, judge
from bluegreen.unix_http import NoAnswer, StillAnswering, get

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

MAX_BODY = 64 * 1024  # bytes read of an answer; health answers are small, and an endless one must end
SILENT = "x-bluegreen-probe"  # set by our nginx when the replica itself said nothing; its words are the reason


def probe(sockets: str, at: tuple[str, int] | None, host: str | None, policy: Any, path: str) -> str | None:
    """Why a replica is not healthy, in a phrase; None: it is. Bounded in time and in bytes.

    `at`: its address and port; None: what the preview listener shows. `policy`: a Health.
    """
    socket, target = ("probe.sock", f"/probe/{at[0]}/{at[1]}{path}") if at else ("preview.sock", path)
    name = host.replace("*", "bluegreen", 1) if host else "localhost"  # *.example.com: any name below it
    try:
        status, headers, body = get(f"{sockets}/{socket}", target, name, policy.request_timeout, MAX_BODY)
    except StillAnswering as error:
        return str(error)
    except NoAnswer as error:
        return f"gave no answer ({error})"
    text = body.decode(errors="replace")
    return Unreached(text) if SILENT in headers else judge(policy, status, headers, text)
