"""What nginx loads while live stays as it is: both colors, or what it should have had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bluegreen.domain import asked
from bluegreen.domain.app import Route
from bluegreen.domain.color import Color
from bluegreen.domain.paths import public_health
from bluegreen.domain.routing import Routing, Slot
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.errors import BluegreenError
from bluegreen.flow.making import Making
from bluegreen.flow.prerequisites import render_sealed, text_to_load
from bluegreen.flow.public import refuse_unreached
from bluegreen.flow.values import Check
from bluegreen.plans.differences import actual


def undrift(it: Making) -> str:
    routing = actual(it.world)
    if routing is None:
        raise BluegreenError(
            "nginx's rendered configuration is gone.",
            code="config-missing",
            failed="nginx.conf is not in the state folder",
            expected="the file of the last switch",
            retry="safe",
            next=f"{it.tools.command} up",
        )
    sealed = render_sealed(it.tools, it.stack, routing)
    load(it, text_to_load(it.tools, it.stack, routing, sealed), routing.since, sealed)
    return f"live stays {it.world.live or 'no color'}"


def preview(it: Making) -> str:
    """The file that knows both colors, and the texts by which either becomes its own default after a shift."""
    live = it.world.slot(it.world.live) if it.world.live else None
    new = it.new.slot = it.new.slot or _slot(it)
    slots = {slot.color: slot for slot in (live, new) if slot}
    since = it.world.intended.since if it.world.intended else None
    app, drain = it.stack.app, it.stack.settings.drain
    both = it.render(Routing(app, 0, it.world.live, slots, "prepared", since, drain, aside=it.keep))
    there = Routing(app, 0, new.color, slots, "previous" if live else None, since, drain)
    sealed = render_sealed(it.tools, it.stack, there)
    it.new.previewed = True
    load(it, both, since, sealed)
    return f"nginx knows {counted(len(slots), 'color')}"


def _slot(it: Making) -> Slot:
    settings = it.stack.settings
    return Slot(
        it.new.color, it.new.release, it.wish.definition, _kept_routes(it), it.new.addresses,
        it.new.images, dict(it.wish.replicas), settings.jobs,
        settings.proxy.max_body, settings.proxy.read_timeout, it.new.migrated,
        settings.migrate.reversible if settings.migrate else True, settings.redirect,
        settings.files, settings.assets,
    )  # fmt: skip


def _kept_routes(it: Making) -> tuple[Route, ...]:
    """The routes without what must not be written into nginx's file."""
    folder = Path(it.stack.project_directory)
    return asked.kept(it.stack.settings.routes, it.stack.services, lambda: it.tools.compose.interpolated(folder))


def load(it: Making, text: str, since: str | None, sealed: dict[Color, str]) -> None:
    """A reload that leaves live as it is: tested before, with the texts for either color, and confirmed."""
    with it.tools.signals.deferred():
        try:
            it.tools.door.load(text, sealed, it.world.live, since or "")
        except BluegreenError as error:
            error.next = error.next or f"{it.tools.command} status"
            raise


def check_all(it: Making) -> str:
    """The new color through the preview listener, and nginx where visitors come."""
    done = check(it)
    live = it.world.slot(it.world.live) if it.world.live else None
    asked = refuse_unreached(it.tools, it.proxy(), live)
    return f"{done}; nginx answers on {asked}" if asked else done


def _whole(it: Making, route: Route) -> Route:
    """The release's own route, with the headers that are not written down."""
    if not route.health.request_headers:
        return route
    same = [own for own in it.stack.settings.routes if own.service == route.service]
    today = same[0].health.request_headers if same else {}
    return replace(route, health=asked.unsealed(route.health, {}, today))


def check(it: Making) -> str:
    routes = it.new.slot.routes if it.new.slot else ()
    checks = [
        Check(
            f"{route.service} at {route.host or ''}{route.path}",
            None,
            route.port,
            route.host,
            replace(_whole(it, route).health, successes=1, path=path),
        )
        for route in routes
        if (path := public_health(route))
    ]
    wrong = it.tools.prober.once(checks)
    if wrong:
        name, reason = next(iter(wrong.items()))
        policy = next(check.policy for check in checks if check.name == name)
        raise BluegreenError(
            f"{it.new.color} does not answer as expected through the preview listener.", code="preview-wrong",
            failed=f"{name}: {reason}", expected=expectation(policy), retry="safe",
        )  # fmt: skip
    return counted(len(checks), "route")
