"""One probe, the way that traffic will go: through our nginx. Standard library only, and little of it."""

from __future__ import annotations

from bluegreen.domain.verdict import Unreached, judge
from bluegreen.unix_http import NoAnswer, NotHttp, StillAnswering, get

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

MAX_BODY = 64 * 1024  # bytes read of an answer; health answers are small, and an endless one must end
OURS = "x-bluegreen-probe"  # set by our nginx when it has nothing of the replica to pass on; its words are the reason
UNREADABLE = "unreadable"  # its value when something came that nginx cannot pass on


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
    except NotHttp:
        return "answered what is not HTTP; does it want TLS on this port?"
    except NoAnswer as error:
        return f"gave no answer ({error})"
    text = body.decode(errors="replace")
    if OURS in headers:
        return text if headers[OURS] == UNREADABLE else Unreached(text)
    return judge(policy, status, headers, text)
