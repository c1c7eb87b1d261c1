"""Closed for work: a link that nginx looks for at each request, to a folder with the page that visitors get instead.

`route/closed` leads to that folder: `page.html`; `shown.html`, the same; `retry/SECONDS`, a file whose name is the
Retry-After; `allow/…`, a file for each address, or first bytes of one, that is let in. Making the link closes. Removing
`page.html` opens; the rest stays until the app is closed again, for requests that have seen `page.html` a moment ago.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bluegreen.files import sync, text
from bluegreen.frontdoor import route

NAME = "closed"
LINK = f"{route.FOLDER}/{NAME}"
ABOUT = "about.json"
PAGE = "page.html"
SHOWN = "shown.html"
# What nginx can say: the least of these that is no less than what was asked for. Seconds.
RETRIES = (10, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
MOST_NAMES = 256  # files that one network may become
MODE = 0o644
PAGE_TEXT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Maintenance</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto;padding:0 1rem}}</style>
<h1>Closed for maintenance</h1><p>{message}</p></html>
"""
MESSAGE = "Please come back in a moment."


def retry(seconds: float) -> int:
    """The Retry-After for a wish, in seconds."""
    return next((it for it in RETRIES if it >= seconds), RETRIES[-1])


def names(network: str) -> list[str]:
    """The files for an address or a network. Raises ValueError: nginx cannot tell this one apart.

    An IPv4 network is its first bytes, as nginx compares them: 10.0.0.0/12 becomes 10.0 to 10.15.
    """
    import ipaddress

    found = ipaddress.ip_network(network)
    if found.num_addresses == 1:
        return [str(found.network_address)]
    if found.version == 6:
        raise ValueError("of IPv6 single addresses only")
    whole = -(-found.prefixlen // 8) or 1
    parts = [str(it.network_address).split(".")[:whole] for it in _split(found, whole * 8)]
    return [".".join(part) for part in parts]


def _split(network: Any, prefix: int) -> Iterator[Any]:
    if 2 ** (prefix - network.prefixlen) > MOST_NAMES:
        raise ValueError("a smaller network")
    yield from network.subnets(new_prefix=prefix)


def close(nginx: str, page: bytes, allow: Sequence[str], seconds: int, about: dict[str, Any]) -> None:
    """Visitors get the page from the next request on; `allow`: file names. Raises OSError; then it is as before."""
    folder = os.path.join(nginx, route.FOLDER, f"{NAME}-{time.time_ns()}")
    for path in (folder, os.path.join(folder, "allow"), os.path.join(folder, "retry")):
        os.mkdir(path, route.MODE)
        os.chmod(path, route.MODE)  # whatever the umask is
    files = {SHOWN: page, PAGE: page, ABOUT: json.dumps(about).encode(), f"retry/{seconds}": b""}
    for path, content in {**files, **{f"allow/{it}": b"" for it in allow}}.items():
        _write(os.path.join(folder, path), content)
    sync(folder)
    route.relink(os.path.join(nginx, LINK), os.path.basename(folder))
    sync(os.path.join(nginx, route.FOLDER))
    _forget_others(nginx, os.path.basename(folder))


def reopen(nginx: str) -> bool:
    """The app answers from the next request on; False: it was open. Raises OSError."""
    folder = os.path.join(nginx, LINK)
    try:
        os.unlink(os.path.join(folder, PAGE))
    except FileNotFoundError:
        return False
    sync(folder)
    return True


def read(nginx: str) -> dict[str, Any] | None:
    """What was said when it was closed: since, message, allow, retry_after; None: it is open."""
    if not os.path.exists(os.path.join(nginx, LINK, PAGE)):
        return None
    try:
        found = json.loads(text(os.path.join(nginx, LINK, ABOUT)))
    except (OSError, ValueError):
        found = {}
    found = found if isinstance(found, dict) else {}
    allow, seconds = found.get("allow"), found.get("retry_after")
    return {
        "since": str(found.get("since") or ""), "message": str(found.get("message") or ""),
        "allow": list(map(str, allow)) if isinstance(allow, list) else [],
        "retry_after": seconds if isinstance(seconds, int) else 0,
    }  # fmt: skip


def is_closed(nginx: str) -> bool:
    return os.path.exists(os.path.join(nginx, LINK, PAGE))


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(path, MODE)


def _forget_others(nginx: str, kept: str) -> None:
    """Removes the folders of former times, also those that a killed command has left."""
    import shutil

    for folder in Path(nginx, route.FOLDER).glob(f"{NAME}-*"):
        if folder.name != kept:
            shutil.rmtree(folder, ignore_errors=True)
