"""One probe, the way that traffic will go: through our nginx. Standard library only, and little of it."""

from __future__ import annotations

from bluegreen.domain.verdict import Unreached, judge, shown
from bluegreen.unix_http import NoAnswer, NotHttp, StillAnswering, TimedOut, get

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

TLS = (b"\x15\x03", b"\x16\x03")  # how an alert and a handshake begin: RFC 8446, 5.1
OF_HOST = (400, 403, 421)  # what frameworks say to a Host that they do not know
UNREACHED = 0.5  # seconds after which no connection was no refusal
MAX_BODY = 64 * 1024  # bytes read of an answer; health answers are small, and an endless one must end
OURS = "x-bluegreen-probe"  # set by our nginx when it has nothing of the replica to pass on; its words are the reason
READ = "it was read"  # something came, so it was reached; nginx's words say why it could not be passed on


def probe(sockets: str, at: tuple[str, int] | None, host: str | None, policy: Any, path: str) -> str | None:
    """Why a replica is not healthy, in a phrase; None: it is. Bounded in time and in bytes.

    `at`: its address and port; None: what the preview listener shows. `policy`: a Health.
    """
    socket, target = ("probe.sock", f"/probe/{at[0]}/{at[1]}{path}") if at else ("preview.sock", path)
    more = getattr(policy, "request_headers", None) or {}  # absent: written down by a bluegreen before
    if sealed := [key for key, value in more.items() if "\0" in value]:
        return f"was not asked: the value of its header {sealed[0]} is a secret, and in the Compose file alone"
    name = host.replace("*", "bluegreen", 1) if host else "localhost"  # *.example.com: any name below it
    name = next((value for key, value in more.items() if key.lower() == "host"), name)
    within = f"within {policy.request_timeout:g} s"
    try:
        status, headers, body = get(f"{sockets}/{socket}", target, name, policy.request_timeout, MAX_BODY, more)
    except StillAnswering as error:
        return str(error)
    except TimedOut:
        return f"did not answer {within}, and took the connection" if at else f"did not answer {within}"
    except NotHttp as error:
        return _not_http(error, at)
    except NoAnswer as error:
        return f"did not answer ({error})"
    text = body.decode(errors="replace")
    if at and OURS in headers:
        seen = silence(headers[OURS], at[1])
        return text if seen == READ else Unreached(seen or text)
    reason = judge(policy, status, headers, text)
    asked = f" (it was asked with Host: {name})" if reason and status in OF_HOST and status != policy.status else ""
    return f"{reason}{asked}" if reason else None


def silence(facts: str, port: int) -> str | None:
    """Why a replica said nothing, by what nginx saw of it; None: nginx did not say."""
    words = facts.split()
    if len(words) != 4:
        return None
    status, connected, received, seconds = words
    late = status == "504"
    if connected == "-":
        if late or _seconds(seconds) >= UNREACHED:  # nobody is there to refuse, which takes no time
            return f"cannot be reached on port {port}: its container is down, or not on the network"
        return f"refused the connection on port {port}: nothing listens there"
    if late:
        return f"took the connection on port {port} and said nothing in time"
    if received in ("0", "-"):
        return f"closed the connection on port {port} without an answer"
    return READ


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _not_http(error: NotHttp, at: tuple[str, int] | None) -> str:
    """What came as it is: nginx passes on what has no status line."""
    where = f" on port {at[1]}" if at else ""
    if error.begin[:2] in TLS:
        return f"speaks TLS{where}; nginx asks without it: let it listen without TLS there"
    return f"answered{where} with something that is not HTTP: {shown(error.begin.decode(errors='replace'))}"
