"""All apps of this machine that this user can know of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bluegreen.cli import where
from bluegreen.cli.text import urls
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor.answer import ask
from bluegreen.frontdoor.files import Files
from bluegreen.places.docker.proxies import Proxy, proxies
from bluegreen.state import folder as folders


def apps() -> tuple[list[dict[str, Any]], list[str]]:
    """(apps by name, notes): from the folders of states, and from the labels of the proxies. Changes nothing."""
    notes: list[str] = []
    try:
        labelled = {proxy.state: proxy for proxy in proxies() if proxy.state}
    except BluegreenError as error:
        labelled = {}
        notes.append(f"The Engine gave no list ({error.failed or error.summary}): apps of others may be missing.")
    states = dict.fromkeys([*folders.states(os.environ), *labelled])
    found = [_app(state, labelled.get(state) or Proxy(os.path.basename(state), state, "")) for state in states]
    return sorted((it for it in found if it["live"] or it["problem"] or it["running"]), key=_name), notes


def _name(found: dict[str, Any]) -> str:
    return str(found["app"])


def _app(state: str, said: Proxy) -> dict[str, Any]:
    found: dict[str, Any] = {
        "app": said.app, "folder": None, "live": None, "urls": [], "owner": where.owner(Path(state)), "state": state,
        "running": False, "problem": None,
    }  # fmt: skip
    try:
        os.listdir(state)
        recorded = folders.read(state)
    except OSError as error:
        return found | {"problem": f"may not be read ({error.strerror}); it belongs to {found['owner']}"}
    routing = Files(str(Path(state, "nginx"))).routing()
    answer = ask(str(where.short(Path(state, "run"))))
    live = answer.live if answer else routing.live if routing else None
    slot = routing.slots.get(live) if routing and live else None
    return found | {
        "app": recorded["app"] if recorded else routing.app if routing else said.app,
        "folder": recorded["folder"] if recorded else said.project or None,
        "live": {"color": live, "release": slot.release} if slot else None,
        "urls": urls(routing.listen) if routing else [],
        "running": answer is not None,
    }


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """A table for people."""
    if not found:
        yield "No app is on this machine, as far as this user can see."
        return
    rows = [("app", "live", "url", "folder", "owner")]
    for it in found:
        live = f"{it['live']['color']}, release {it['live']['release']}" if it["live"] else "nothing"
        place = it["problem"] or (it["folder"] or it["state"]) + ("" if it["running"] else " (nginx does not answer)")
        rows.append((it["app"], "?" if it["problem"] else live, ", ".join(it["urls"]) or "-", place, it["owner"]))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
