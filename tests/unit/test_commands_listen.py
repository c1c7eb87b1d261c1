"""Where visitors come: what nginx is published on and what it listens on never differ, and it is asked before a 0."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bluegreen.probe import public
from tests.fakes.site import Site, Tell

pytestmark = pytest.mark.whole

SILENT = public.silent  # the real one; a site has one of its own


def _block(site: Site, **values: object) -> None:
    site.document["x-bluegreen"].update(values)


@pytest.mark.parametrize("change", [{"listen": 9123}, {"listen": [8123, 9123]}, {"preview": 9124}, {"preview": "off"}])
@pytest.mark.parametrize("verb", ["switch", "prepare"])
def test_a_release_keeps_nginx_where_it_is_published(
    live: Site, tell: Tell, capsys: pytest.CaptureFixture[str], verb: str, change: dict[str, object]
) -> None:
    """Row 1: `listen` was edited, or a variable of it is missing in cron."""
    _block(live, **change)
    live.release("shop:2")
    live.engine.pulled("shop:2")
    assert live.run(verb) == 0
    said = capsys.readouterr().err
    assert "the file says" in said
    assert "To apply it: bluegreen up" in said
    assert live.nginx is not None
    assert live.nginx.loaded.listen == ("8123",)
    assert live.nginx.loaded.preview == "127.0.0.1:8124"
    assert live.asked, "the public listener was asked"
    code, state = tell("status")
    assert (code, state["unreached"]) == (0, [])
    found = {it["name"]: it for it in tell("check")[1]["findings"] if it["outcome"] == "warning"}
    assert "the file says" in found["listen"]["found"]


def test_a_release_that_fails_keeps_it_too_and_up_takes_it_over(live: Site, tell: Tell) -> None:
    _block(live, listen=9123)
    live.release("shop:2")
    live.engine.pulled("shop:2")
    live.sick.add(2)
    assert tell("switch")[0] == 1
    assert tell("status")[1]["unreached"] == []
    live.release("shop:1")
    live.asked.clear()
    assert tell("up")[0] == 0
    assert live.nginx is not None
    assert live.nginx.loaded.listen == ("9123",)
    assert "9123" in live.asked
    assert not [it for it in tell("check")[1]["findings"] if it["name"] == "listen" and it["outcome"] != "ok"]


def test_no_verb_says_0_when_visitors_do_not_reach_nginx(live: Site, tell: Tell) -> None:
    live.engine.pulled("shop:2")
    live.release("shop:2")
    assert tell("switch")[0] == 0
    live.unreached.add("8123")  # iptables: false, an address that is not there, …
    for verb in ("up", "switch", "prepare"):
        live.engine.pulled(f"shop:{verb}")
        if verb != "up":
            live.release(f"shop:{verb}")
        code, found = tell(verb)
        assert code == 1, verb
        assert found["error"]["summary"] == "nginx does not answer where it is published.", verb
        assert found["error"]["failed"] == "8123 refused the connection", verb
        live.release("shop:2")
    assert tell("status")[1]["unreached"] == ["8123 refused the connection"]
    code, found = tell("flip-back")
    assert (code, found["outcome"]) == (5, "unknown"), found
    assert found["error"]["traffic"] == "nginx sends traffic to blue, but visitors do not reach nginx"


def test_a_first_up_that_nobody_reaches_is_no_success(shop: Site, tell: Tell) -> None:
    shop.unreached.add("8123")
    code, found = tell("up")
    assert (code, found["error"]["failed"]) == (1, "8123 refused the connection")
    shop.unreached.clear()
    code, found = tell("up")
    assert code == 0, found["error"]


@contextmanager
def _listening(family: int, address: str, reply: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()

        def serve() -> None:
            try:
                while True:
                    client, _ = server.accept()
                    with client:
                        reply(client)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)


def _says(text: bytes) -> Callable[[socket.socket], None]:
    def reply(client: socket.socket) -> None:
        client.recv(1024)
        client.sendall(text)

    return reply


def test_a_listener_is_asked_as_a_visitor_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "TIMEOUT", 0.2)
    asked: list[bytes] = []

    def note(client: socket.socket) -> None:
        asked.append(client.recv(1024))
        client.sendall(b"HTTP/1.1 503 no\r\n\r\n")

    with _listening(socket.AF_INET, "127.0.0.1", note) as port:
        for listen in (str(port), f"0.0.0.0:{port}", f"127.0.0.1:{port}"):
            assert SILENT([listen], "*.example.com", "/health", 0.0) == []
    assert asked[0].startswith(b"GET /health HTTP/1.1\r\nHost: bluegreen.example.com\r\n")
    assert SILENT([str(port)], None, "/", 0.0) == [f"{port} refused the connection"]
    with _listening(socket.AF_INET, "127.0.0.1", _says(b"SSH-2.0-x\r\n")) as port:
        assert SILENT([str(port)], None, "/", 0.0) == [f"{port} answered something that is not HTTP"]
    with _listening(socket.AF_INET, "127.0.0.1", _says(b"")) as port:
        assert SILENT([str(port)], None, "/", 0.0) == [f"{port} closed the connection without an answer"]
    with _listening(socket.AF_INET, "127.0.0.1", lambda _: time.sleep(0.5)) as port:
        assert SILENT([str(port)], None, "/", 0.0) == [f"{port} did not answer in 0.2 s"]


def test_every_address_of_listen_is_asked() -> None:
    with _listening(socket.AF_INET6, "::1", _says(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert SILENT([f"[::]:{port}", f"[::1]:{port}"], None, "/", 0.0) == []
        assert SILENT([f"[::]:{port}", str(port)], None, "/", 0.0) == [f"{port} refused the connection"]


def test_a_listener_that_comes_a_moment_later_is_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        late = threading.Timer(0.15, taken.listen)
        late.start()
        reply = _says(b"HTTP/1.1 200 OK\r\n\r\n")

        def answer() -> None:
            with taken.accept()[0] as client:
                reply(client)

        threading.Timer(0.3, answer).start()
        assert SILENT([str(port)], None, "/", 2.0) == []
