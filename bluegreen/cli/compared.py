"""A comparison of two releases as `--json` prints it, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bluegreen.cli.output import clean
from bluegreen.domain.comparison import percentile, phrase
from bluegreen.domain.words import counted
from bluegreen.flow.compare import summary

if TYPE_CHECKING:
    from bluegreen.domain.comparison import OnRoute
    from bluegreen.flow.compare import Compared

STANDINGS = {"previous": "the previous release", "prepared": "prepared"}


def document(found: Compared, standing: str, fail: float | None, mask: Callable[[str], str]) -> dict[str, Any]:
    """`mask` takes known secrets out of what the releases have answered."""
    it = found.found
    return {
        "live": {"color": found.live.color, "release": found.live.release},
        "idle": {"color": found.other.color, "release": found.other.release},
        "standing": standing,
        "read": found.sample.read,
        "compared": it.compared,
        "differ": it.differ,
        "complete": found.complete,
        "ok": fail is None or it.share <= fail,
        "summary": summary(found),
        "routes": [_route(route, mask) for route in it.routes],
        "not_reached": {mask(route): mask(why) for route, why in it.not_reached.items()},
        "left_out": dict(sorted(found.sample.left.items())),
        "seconds": {"live": _seconds(it.live_seconds), "idle": _seconds(it.other_seconds)},
    }


def _route(it: OnRoute, mask: Callable[[str], str]) -> dict[str, Any]:
    return {
        "route": mask(it.route), "compared": it.compared, "differ": it.differ,
        "differences": [
            {
                "kind": one.difference.kind, "where": mask(one.difference.where), "count": one.count,
                "words": mask(phrase(one.difference, one.count == 1)), "example": mask(one.example),
            }
            for one in it.found
        ],
    }  # fmt: skip


def _seconds(found: Sequence[float]) -> dict[str, float] | None:
    half, most = percentile(found, 0.5), percentile(found, 0.95)
    return None if half is None or most is None else {"p50": round(half, 4), "p95": round(most, 4)}


def text(it: Mapping[str, Any]) -> str:
    """`compare` for people: each route that differs, what could not be compared, how long answers took."""
    live, idle = it["live"], it["idle"]
    standing = STANDINGS.get(it["standing"], it["standing"])
    lines = [
        f"{'live':<8}{live['color']}, release {live['release']}",
        f"{'idle':<8}{idle['color']}, release {idle['release']} ({standing})", "",
    ]  # fmt: skip
    for route in it["routes"]:
        for one in route["differences"]:
            lines.append(f"{clean(route['route'])}: {one['count']} of {route['compared']} {clean(one['words'])}")
            lines.append(f"{'':8}such as {clean(one['example'])}")
    same = [route for route in it["routes"] if not route["differences"]]
    lines += [f"{counted(len(same), 'route')} without a difference"] if same else []
    return "\n".join([*lines, "", *_rest(it), f"{idle['color']} beside {live['color']}: {it['summary']}."])


def _rest(it: Mapping[str, Any]) -> Iterator[str]:
    for route, why in it["not_reached"].items():
        yield f"not compared  {clean(route)} ({clean(why)})"
    for why, count in it["left_out"].items():
        yield f"not asked     {counted(count, 'request')}: {why}"
    for name in ("live", "idle"):
        if found := it["seconds"][name]:
            yield f"{'answers of ' + it[name]['color']:<18}p50 {_ms(found['p50'])}, p95 {_ms(found['p95'])}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
