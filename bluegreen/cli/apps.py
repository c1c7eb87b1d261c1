"""All apps of this machine that this user can know of."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bluegreen.cli import where
from bluegreen.cli.visited import names, visited
from bluegreen.domain.edge import ANY
from bluegreen.domain.edge import APP as EDGE
from bluegreen.errors import BluegreenError
from bluegreen.frontdoor.answer import ask
from bluegreen.frontdoor.files import Files
from bluegreen.places.docker.proxies import Proxy, proxies
from bluegreen.state import folder as folders


def apps() -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """(apps by name, edges, notes): from the folders of states, and from the proxies' labels. Changes nothing."""
    notes: list[str] = []
    try:
        labelled = {proxy.state: proxy for proxy in proxies() if proxy.state}
    except BluegreenError as error:
        labelled = {}
        notes.append(f"The Engine gave no list ({error.failed or error.summary}): apps of others may be missing.")
    states = dict.fromkeys([*folders.states(os.environ), *labelled])
    edges = [state for state in states if os.path.basename(state).startswith(EDGE)]
    found = [
        _app(state, labelled.get(state) or Proxy(os.path.basename(state), state, ""))
        for state in states if state not in edges
    ]  # fmt: skip
    shown = sorted((it for it in found if it["live"] or it["problem"] or it["running"]), key=_name)
    return shown, list(map(_edge, edges)), notes


def _edge(state: str) -> dict[str, Any]:
    from bluegreen.features.edge.claims import Claims

    answer, routing = ask(str(where.short(Path(state, "run")))), None
    problem, claims = None, []
    try:
        os.listdir(state)
        routing = Files(str(Path(state, "nginx"))).routing()
        claims = Claims(state).all()
    except OSError as error:
        problem = f"may not be read ({error.strerror}); it belongs to {where.owner(Path(state))}"
    return {
        "name": os.path.basename(state).removeprefix(EDGE), "listen": list(routing.listen) if routing else [],
        "running": answer is not None, "nginx": answer.nginx if answer else None,
        "apps": [{"app": it.app, "folder": it.folder, "names": _shown(it.plain)} for it in claims],
        "owner": where.owner(Path(state)), "state": state, "problem": problem,
    }  # fmt: skip


def _shown(names: Sequence[str]) -> list[str]:
    return [name if name != ANY else "every other name" for name in names]


def _days(state: str) -> int | None:
    """Days until the first certificate of an app ends; None: it has none."""
    from bluegreen.cli.certificates import looked_at

    days = [it["days"] for it in looked_at(Path(state)) or () if it["days"] is not None]
    return min(days, default=None)


def _name(found: dict[str, Any]) -> str:
    return str(found["app"])


def _app(state: str, said: Proxy) -> dict[str, Any]:
    found: dict[str, Any] = {
        "app": said.app, "folder": None, "live": None, "urls": [], "owner": where.owner(Path(state)), "state": state,
        "running": False, "problem": None, "names": [], "listen": [], "edge": None, "certificate_days": None,
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
        "urls": visited(routing, Path(state)) if routing else [],
        "running": answer is not None,
        "names": names(routing),
        "listen": list(routing.listen) if routing else [],
        "edge": (routing.edge or None) if routing else None,
        "certificate_days": _days(state),
    }


def lines(found: list[dict[str, Any]], edges: Sequence[dict[str, Any]] = ()) -> Iterator[str]:
    """A table for people, and a line for each edge."""
    yield from _table(found)
    for it in edges:
        on = f"nginx {it['nginx']} on {', '.join(it['listen'])}" if it["running"] else "nginx does not answer"
        who = "; ".join(f"{app['app']}: {', '.join(app['names'])}" for app in it["apps"]) or "no app"
        yield f"edge {it['name']}  {it['problem'] or f'{on}  {who}'}"


def _table(found: list[dict[str, Any]]) -> Iterator[str]:
    if not found:
        yield "No app is on this machine, as far as this user can see."
        return
    rows = [("app", "live", "url", "certificate", "folder", "owner")]
    for it in found:
        live = f"{it['live']['color']}, release {it['live']['release']}" if it["live"] else "nothing"
        place = it["problem"] or (it["folder"] or it["state"]) + ("" if it["running"] else " (nginx does not answer)")
        days = "-" if it["certificate_days"] is None else f"{it['certificate_days']} days"
        url = ", ".join(it["urls"]) or "-"
        rows.append((it["app"], "?" if it["problem"] else live, url, days, place, it["owner"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
