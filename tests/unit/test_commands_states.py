"""`up` repairs a container whatever state the Engine has it in."""

from __future__ import annotations

import pytest

from tests.fakes.site import Site, Tell

STATES = ("created", "paused", "restarting", "exited", "dead", "removing", "gone")


def put(site: Site, name: str, state: str) -> None:
    it = site.engine.named(name)
    if state == "gone":
        del site.engine.containers[it.id]
    else:
        it.state = state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("names", [("web-1",), ("web-2", "worker-1"), ("worker-1",)])
def test_up_has_it_run_again(live: Site, tell: Tell, state: str, names: tuple[str, ...]) -> None:
    for name in names:
        put(live, f"shop-blue-{name}", state)
    code, done = tell("up")
    assert (code, done["outcome"]) == (0, "repaired"), done["error"]
    assert (live.running("blue"), live.running("blue", "worker")) == (2, 1)
    assert tell("status")[1]["drift"] is None
    assert tell("up")[0] == 0, "and again"


@pytest.mark.parametrize("state", [it for it in STATES if it not in ("dead", "removing", "gone")])
def test_up_has_the_way_back_run_again(live: Site, tell: Tell, state: str) -> None:
    live.release("shop:2")
    assert tell("switch")[0] == 0
    put(live, "shop-blue-web-2", state)
    assert tell("up")[1]["outcome"] == "repaired"
    assert tell("flip-back")[0] == 0
    assert live.running("blue") == 2


@pytest.mark.parametrize("state", ["paused", "exited", "created", "gone"])
def test_up_has_the_proxy_run_again(live: Site, tell: Tell, state: str) -> None:
    if live.nginx:
        live.nginx.end()
        live.nginx = None
    put(live, "shop-proxy", state)
    changed = live.engine.changed
    live.engine.changed = lambda it, what: changed(it, "start" if what == "unpause" else what)
    code, done = tell("up")
    assert (code, done["outcome"]) == (0, "repaired"), done["error"]
    assert tell("status")[1]["drift"] is None
