"""Taking over from plain Compose: what is taken, in which order, and what comes back when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.domain.app import Listen, Route, Settings, Stack
from bluegreen.domain.world import PlainContainer, ProxyContainer
from bluegreen.errors import BluegreenError
from bluegreen.flow import adopt
from bluegreen.flow.adopt import Adoption, find_plain
from tests.fakes.noted import done, tools

WEB, WORKER = PlainContainer("w", "shop-web-1", "web", True), PlainContainer("j", "shop-worker-1", "worker", True)
DB, OLD = PlainContainer("d", "shop-db-1", "db", True), PlainContainer("n", "shop-nginx-1", "nginx", True)
STOPPED = PlainContainer("s", "shop-web-2", "web", False)
PORTS = (Listen("", 80), Listen("127.0.0.1", 8081))
STACK = Stack(
    "shop", Settings((Route("web", 8000),), ("worker",), PORTS[:1], PORTS[1]),
    {name: {} for name in ("web", "worker", "db")}, {}, {}, {}, {}, ("db",), "/srv",
)  # fmt: skip
PROXY = ProxyContainer("p", "shop-proxy", "running", "d", "172.20.0.2", published=False)


def _found(plain: tuple[PlainContainer, ...], say_so: bool, **holders: str) -> tuple[Any, Any]:
    """(tools, what is to be taken over). `holders`: who holds p80 and p8081."""
    engine = {
        "plain_containers": plain, "owners": {},
        "port_holders": lambda listeners: {at: holders.get(f"p{at.port}") for at in listeners},
    }  # fmt: skip
    it = tools(engine=engine)
    return it, find_plain(it, STACK, say_so)


def test_what_is_not_ours_is_not_taken_over() -> None:
    assert _found((WEB, WORKER, DB), True)[1] == (WEB, WORKER)
    assert _found((WEB, OLD), True)[1] == (WEB,), "an nginx that holds no port of ours is somebody else's"
    assert _found((WEB, OLD), True, p80="shop-nginx-1")[1] == (WEB, OLD)


def test_nothing_is_taken_over_without_a_word_and_what_runs_beside_is_said() -> None:
    it, found = _found((WEB, STOPPED), False)
    assert found == ()
    (notice,) = it.told.notices
    assert "still runs shop-web-1" in notice
    assert "bluegreen -p shop up --adopt" in notice
    it, found = _found((STOPPED, PlainContainer("j", "shop-worker-1", "worker", False)), False)
    assert (found, it.told.notices) == ((), []), "what does not run is in nobody's way"
    assert _found((WEB,), True)[0].told.notices == []


def test_a_port_that_plain_compose_holds_is_taken_when_asked() -> None:
    with pytest.raises(BluegreenError, match="Port 80 is held by shop-web-1, which plain Compose runs") as error:
        _found((WEB,), False, p80="shop-web-1")
    assert error.value.traffic == "shop-web-1 (unchanged)"
    assert error.value.next.startswith("bluegreen -p shop up --adopt")
    assert _found((WEB,), True, p80="shop-web-1")[1] == (WEB,)


@pytest.mark.parametrize(
    ("holder", "words", "way"),
    [
        ("other", "container other", "docker stop other"), ("", "a process outside Docker", "ss -ltnp"),
        ("shop-db-1", "container shop-db-1", "take db out of the Compose file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("say_so", [True, False])
def test_a_port_of_anybody_else_is_refused_even_with_a_word(holder: str, words: str, way: str, say_so: bool) -> None:
    with pytest.raises(BluegreenError) as error:
        _found((WEB, DB), say_so, p8081=holder)
    assert error.value.summary == f"Port 127.0.0.1:8081 is held by {words}."
    assert error.value.next.startswith(way)
    assert error.value.traffic == "", "nothing is known of it"


def test_a_job_is_never_run_beside_ours() -> None:
    with pytest.raises(BluegreenError, match="shop-worker-1") as error:
        _found((WEB, WORKER), False)
    assert "up --adopt" in error.value.next
    assert _found((WEB, WORKER), True)[1] == (WEB, WORKER)


# -- the take-over


def _adoption(monkeypatch: pytest.MonkeyPatch, **containers: Any) -> tuple[Any, Adoption]:
    it = tools(proxy={"container": PROXY}, containers=containers)

    def run_proxy(given: Any, _: Stack, published: bool) -> str:
        given.log.append(("proxy", f"published={published}"))
        return ""

    monkeypatch.setattr(adopt, "run_proxy", run_proxy)
    return it, Adoption(it, STACK, (WORKER, WEB, STOPPED))


def test_a_take_over_stops_what_serves_publishes_nginx_and_then_stops_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    it, adoption = _adoption(monkeypatch)
    it.proxy._answers["publish"] = lambda *_: it.told.sleep(0.25)
    assert not adoption.begun
    words = adoption.take_over()
    assert done(it) == ["container", "stop w", "publish p", "stop j"]
    assert adoption.begun
    assert adoption.milliseconds == 250
    assert "250 ms" in words
    assert "250 ms" in adoption.said
    assert adoption.names == "shop-worker-1, shop-web-1, shop-web-2"
    assert adoption.serving == "shop-web-1 of plain Compose", "web-2 did not run"
    it.log.clear()
    assert adoption.finish()
    assert [call for call in it.log if call[0] == "remove"] == [
        ("remove", "j", False), ("remove", "w", False), ("remove", "s", False),
    ], "the data stays"  # fmt: skip


def test_a_proxy_that_is_published_is_not_published_again(monkeypatch: pytest.MonkeyPatch) -> None:
    it, adoption = _adoption(monkeypatch)
    it.proxy._answers["container"] = ProxyContainer("p", "shop-proxy", "running", "d", None, published=True)
    adoption.take_over()
    assert done(it) == ["container", "stop w", "stop j"]
    it.log.clear()
    adoption.put_back()
    assert (done(it), adoption.restored) == (["start w", "start j"], ""), "it serves visitors"


def test_without_a_proxy_nothing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    it, adoption = _adoption(monkeypatch)
    it.proxy._answers["container"] = None
    with pytest.raises(BluegreenError, match="The proxy is gone"):
        adoption.take_over()
    assert (done(it), adoption.begun) == (["container"], False)


def test_what_was_stopped_is_put_back_before_a_new_proxy_without_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    it, adoption = _adoption(monkeypatch)
    it.proxy._answers["publish"] = BluegreenError("The port is taken.")
    with pytest.raises(BluegreenError, match="The port is taken"):
        adoption.take_over()
    it.log.clear()
    adoption.put_back()
    assert done(it) == ["container", "remove p", "start w", "proxy published=False"], "the job was never stopped"
    it.proxy._answers["container"] = None
    it.log.clear()
    adoption.put_back()
    assert done(it) == ["container", "start w", "proxy published=False"]


def test_one_that_does_not_come_back_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    it, adoption = _adoption(monkeypatch, start=lambda name: _refuse(name == "w"))
    adoption.take_over()
    it.log.clear()
    with pytest.raises(BluegreenError) as error:
        adoption.put_back()
    assert done(it)[2:] == ["start w", "start j", "proxy published=False"]
    assert error.value.failed == "shop-web-1: no"


def _refuse(when: bool) -> None:
    if when:
        raise BluegreenError("no")
