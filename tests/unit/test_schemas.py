"""What `--json` prints is what its schema says, property by property."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bluegreen.cli.main import VERBS as COMMANDS
from bluegreen.cli.main import cli
from bluegreen.cli.shapes_verbs import VERBS, json_schema
from bluegreen.domain.app import Edge
from bluegreen.domain.edge import Claim
from bluegreen.features.certificates.record import DAY, Record
from bluegreen.features.certificates.store import Store
from bluegreen.features.edge.claims import Claims
from bluegreen.frontdoor.edge import render
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.text import activate
from bluegreen.shipped import shipped
from tests.fakes.site import Site, Tell
from tests.fakes.sockets import Pieces, answer
from tests.fakes.visitors import Visitors
from tests.support import schemas
from tests.unit.test_traffic import line

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("verb", VERBS)
def test_a_schema_is_one_and_every_property_says_what_it_means(verb: str) -> None:
    found = json_schema(verb)
    Draft202012Validator.check_schema(found)

    def look(shape: object) -> None:
        if isinstance(shape, dict):
            for name, of in shape.get("properties", {}).items():
                assert of.get("description"), (verb, name)
            for value in shape.values():
                look(value)

    look(found)


def test_every_verb_with_json_has_a_schema_and_no_other() -> None:
    with_json = set()
    for verb in COMMANDS:
        command = cli.get_command(cli.make_context("bluegreen", [], resilient_parsing=True), verb)
        assert command is not None
        if any("--json" in parameter.opts for parameter in command.params):
            with_json.add(verb)
    assert with_json == set(VERBS)


def test_what_differs_from_the_schema_is_noticed() -> None:
    with pytest.raises(AssertionError, match="extra"):
        schemas.valid(["apps"], {"apps": [], "notes": [], "extra": 1})
    with pytest.raises(AssertionError, match="ready"):
        schemas.valid(["check", "--json"], {"findings": [], "plan": None})


def test_the_command_prints_it() -> None:
    done = subprocess.run([sys.executable, "-m", "bluegreen", "schema", "status"], capture_output=True, check=True)
    assert json.loads(done.stdout) == json_schema("status")


# Verbs whose outputs other tests make, each held to its schema there: they need a stage or projects of their own.
ELSEWHERE = ("rehearse", "init")
ACTING = ("up", "switch", "prepare", "promote", "flip-back", "down")  # they print the same documents
NEVER = {".plan.notices"}  # `check` shows its notices as findings


def _on_an_edge(shop: Site) -> None:
    """An edge beside the app, with another one's names."""
    state = Path(shop.state.parent, "bluegreen-edge")
    state.mkdir(mode=0o700)
    Claims(str(state)).write(Claim("blog", "/srv/blog", ("blog.test",)))
    files = Files(str(state / "nginx"))
    (state / "nginx").mkdir()
    files.write(activate(render(Edge(), [], shipped("nginx")), 1, ""))


def _with_certificates(shop: Site) -> None:
    """One that is good, and one whose CA does not answer."""
    store = Store(shop.state, (os.getuid(), os.getgid()))
    wanted = {"names": {"a.test": "acme", "b.test": "acme"}, "directory": "https://127.0.0.1:1/dir"}
    more = {"email": "a@b.test", "profile": "", "directory_ca": "", "self_check": False, "listen": [], "files": {}}
    store.want(wanted | more)
    now = int(time.time())
    store.note(Record("b.test", real=True, issuer="CA", begins=now, ends=now + 90 * DAY, ask_at=now + DAY))


def _visited(shop: Site) -> None:
    """Requests in nginx's log, of which the releases answer one in two ways."""
    uris = ("/color", "/health", "/account")
    lines = [line(uri=uri, upstream="10.0.0.1:80") for uri in uris] + [line(method="POST")]
    shop.engine.named("shop-proxy").output = b"".join(b"2026 " + each + b"\n" for each in lines)
    really = shop.reply_of

    def reply(address: str, port: int, path: str) -> Pieces:
        here = [it for it in shop.replicas("blue") if it.address("shop_bluegreen") == address]
        if path == "/color":
            return answer(200, "{}" if here else '{"more": 1}')
        return answer(401) if path == "/account" else really(address, port, path)

    shop.reply_of = reply  # type: ignore[method-assign]  # of this test


def test_every_property_is_printed_once(shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in every list, and in everything that may be null."""
    monkeypatch.setattr("bluegreen.flow.receipts.LATE", 1000.0)
    block = shop.document["x-bluegreen"]
    block |= {"failover": True, "hooks": {"before_switch": {"command": ["true"]}}}
    for words in (["up"], ["expect", "--record", "GET", "/"], ["expect", "--record", "GET", "/"], ["expect"]):
        tell(*words)
    shop.release("shop:2")
    _with_certificates(shop)
    _on_an_edge(shop)
    for words in (["tls"], ["status"], ["tls", "renew"], ["tls", "timer"], ["status"]):
        tell(*words)
    for words in (
        ["check"], ["switch", "--dry-run"], ["switch"], ["maintenance", "on", "--allow", "10.0.0.0/8"],
    ):  # fmt: skip
        tell(*words)
    time.sleep(0.2)
    visitors = Visitors(shop)
    visitors.ask(150, "blue", 1, uri="/old")
    visitors.ask(1, "blue", 1, request_id="07a3", upstream=f"{shop.replicas('blue')[0].address('shop_bluegreen')}:8000")
    shop.replicas("blue")[0].output = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}.0Z 07a3\n".encode()
    visitors.ask(150, "green", 2)
    monkeypatch.setattr("bluegreen.flow.receipts.LATE", 0.0)
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    for words in (
        ["why", "07a3"], ["status"], ["status", "--at", now], ["show"], ["apps"], ["flip-back", "--dry-run"],
        ["history"], ["flip-back"], ["down", "--dry-run"],
    ):  # fmt: skip
        tell(*words)
    _visited(shop)
    for words in (["compare"],):
        tell(*words)
    shop.release("shop:3")
    shop.sick.add(3)
    for words in (["switch"], ["status"], ["down", "--yes"]):
        tell(*words)
    missing = {verb: schemas.properties(verb) - schemas.seen(verb) - NEVER for verb in VERBS if verb not in ELSEWHERE}
    missing["acting"] = set.intersection(*(missing.pop(verb) for verb in ACTING))
    assert "\n".join(f"{verb}: {' '.join(sorted(paths))}" for verb, paths in missing.items() if paths) == ""
