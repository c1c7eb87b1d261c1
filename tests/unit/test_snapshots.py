"""What is printed, planned, sent and written, as it was last agreed on (see tests/unit/agreed.py for half of it).

`python -m tests.unit.test_snapshots` writes them anew; the difference is then for a person to read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bluegreen.cli.main import VERBS, cli
from bluegreen.domain.answers import Expectation
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError
from bluegreen.plans.differences import actual, drift
from bluegreen.plans.down import plan_down
from bluegreen.plans.flip_back import plan_flip_back
from bluegreen.plans.plan import Plan
from bluegreen.plans.release import plan_release
from bluegreen.plans.repair import plan_repair
from tests.unit import agreed
from tests.unit.worlds import EMPTY, PROXY, WISH, replica, replicas, routing, slot, world

FOLDER = Path(__file__).parent / "snapshots"
BLUE, GREEN = slot("blue", 7), slot("green", 6)
BOTH = (*replicas("blue", 7), *replicas("green", 6))


def _worlds() -> dict[str, World]:
    two = routing("blue", blue=BLUE, green=GREEN)
    prepared = routing("blue", "prepared", blue=BLUE, green=slot("green", 8, "new"))
    whole = world()
    assert whole.answer is not None
    turned = two.turned_to("green", "2026-11-01T11:00:00+00:00")
    migrated = replace(BLUE, migrated=True, reversible=False)
    aside = tuple(
        replace(it, id=f"{it.id}-aside", name=f"{it.name}-aside", place="aside", state="exited")
        for it in replicas("green", 6)
    )
    for_it = replace(prepared, aside=GREEN)
    return {
        "nothing at all": EMPTY,
        "blue live, green the way back": whole,
        "the first release": world(intended=routing("blue", None, blue=BLUE), replicas=replicas("blue", 7)),
        "green prepared": world(intended=prepared, replicas=(*replicas("blue", 7), *replicas("green", 8))),
        "green prepared, one gone": world(intended=prepared, replicas=(*BOTH[:3], *replicas("green", 8)[1:])),
        "a first up that was killed": world(None, intended=routing(None), replicas=()),
        "nginx is down": world(proxy=replace(PROXY, state="exited"), answer=None),
        "nginx answers nothing": world(answer=None),
        "the proxy is gone": world(proxy=None, answer=None),
        "the proxy is not published": world(proxy=replace(PROXY, published=False)),
        "its folders are gone": world(proxy=replace(PROXY, stale=True)),
        "the file is gone": world(intended=None),
        "another generation is loaded": world(answer=replace(whole.answer, generation=4)),
        "renamed, not sealed": world("green", intended=turned),
        "nginx does not follow the route": world("blue", intended=turned),
        "somebody edited the file": world(edited=True),
        "a job runs in the idle color": world(replicas=(*BOTH[:-1], replica("green", 6, "worker"))),
        "a switch was killed": world(unfinished="switch, started then by process 1", unfinished_verb="switch"),
        "killed when the jobs were stopped": world(
            unfinished="switch", unfinished_verb="switch",
            replicas=(*BOTH[:2], replica("blue", 7, "worker", state="exited"), *BOTH[3:]),
        ),
        "a live container is gone": world(replicas=BOTH[1:]),
        "a live container is down": world(replicas=(replica("blue", 7, state="exited"), *BOTH[1:])),
        "a live container is off the network": world(replicas=(replica("blue", 7, address=None), *BOTH[1:])),
        "a live container has another address": world(replicas=(replica("blue", 7, address="172.20.0.90"), *BOTH[1:])),
        "a live container is unhealthy": world(replicas=(replica("blue", 7, health="unhealthy"), *BOTH[1:])),
        "the way back is stopped": world(replicas=(*BOTH[:3], replica("green", 6, state="exited"), *BOTH[4:])),
        "the way back has lost a container": world(replicas=BOTH[:-2]),
        "the way back is gone": world(replicas=BOTH[:3]),
        "left by a release that failed": world(replicas=(*BOTH, replica("green", 8, number=3, state="exited"))),
        "left by one that was killed": world(unfinished="switch", replicas=(*BOTH, replica("green", 8, number=3))),
        "green prepared, another set aside": world(
            intended=for_it, replicas=(*replicas("blue", 7), *replicas("green", 8), *aside)
        ),
        "killed when the way back was set aside": world(
            unfinished="switch", unfinished_verb="switch", replicas=(*replicas("blue", 7), *aside)
        ),
        "killed when one of it was set aside": world(
            unfinished="switch", unfinished_verb="switch", replicas=(*BOTH[:4], *aside[1:])
        ),
        "set aside for what is live": world(replicas=(*BOTH, *(replace(it, release=5) for it in aside))),
        "an irreversible migration": world(intended=routing("blue", blue=migrated, green=GREEN)),
        "green live, blue the way back": world("green", intended=routing("green", blue=GREEN, green=BLUE)),
    }  # fmt: skip


FULL = replace(
    WISH, migrate="schema", hooks=("before_switch", "after_switch"), expected=(Expectation("GET", "/"),),
)  # fmt: skip
PLANS: dict[str, Callable[[World], Plan]] = {
    "up": lambda it: plan_repair(it, WISH, False) if it.live and it.slot(it.live) else plan_release("up", it, WISH),
    "switch": lambda it: plan_release("switch", it, WISH),
    "switch with everything": lambda it: plan_release("switch", it, FULL),
    "switch --force": lambda it: plan_release("switch", it, replace(WISH, force=True)),
    "prepare": lambda it: plan_release("prepare", it, WISH),
    "flip-back": lambda it: plan_flip_back(it, force=False),
    "flip-back --force": lambda it: plan_flip_back(it, force=True),
    "down": lambda it: plan_down(it, ("redis",), False),
}


def _plan(make: Callable[[World], Plan], found: World) -> list[str]:
    try:
        plan = make(found)
        steps = [f"{step.phase:<8} {step.name:<14}{step.color or '-':<6} {step.cause}" for step in plan.steps]
        return [f"{plan.verb} to {plan.target}, release {plan.release}", *steps] if steps else [plan.nothing]
    except BluegreenError as error:
        return [f"refused: {error.summary}", *(f"  {name:<10}{error.fields()[name]}" for name in ("failed", "next"))]


def plans() -> Iterator[str]:
    for name, found in _worlds().items():
        yield f"== {name}"
        yield f"drift: {drift(found) or 'none'}"
        really = actual(found)
        yield f"really: {f'{really.live} live, {really.standing} across' if really else 'not known'}"
        for verb, make in PLANS.items():
            yield f"\n-- {verb}"
            yield from _plan(make, found)
        yield ""


def helps() -> Iterator[str]:
    """As the real command prints it: what another test has called before makes no difference."""
    yield _help()
    for verb in VERBS:
        yield f"\n== {verb}\n{_help(verb)}"


def _help(*words: str) -> str:
    done = CliRunner().invoke(cli, [*words, "--help"], prog_name="bluegreen", terminal_width=100, max_content_width=100)
    assert done.exit_code == 0, done.output
    return done.output.rstrip()


SNAPSHOTS: dict[str, Callable[[], Iterator[str]]] = {
    "plans.txt": plans, "help.txt": helps, "nginx.txt": agreed.nginx_files, "requests.txt": agreed.create_requests,
    "errors.txt": agreed.error_texts,
}  # fmt: skip


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_it_is_what_was_agreed_on(name: str) -> None:
    assert (FOLDER / name).read_text().splitlines() == "\n".join(SNAPSHOTS[name]()).rstrip().splitlines()


def test_the_worlds_differ() -> None:
    assert len(_worlds()) > 30
    texts = [str(world) for world in _worlds().values()]
    assert len(set(texts)) == len(texts)


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    for file, make in SNAPSHOTS.items():
        (FOLDER / file).write_text("\n".join(make()).rstrip() + "\n")
