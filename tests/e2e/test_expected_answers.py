"""Recorded expected answers: the gate before traffic."""

from __future__ import annotations

import pytest

from tests.conftest import Make
from tests.support.files import LEAN, SERVER
from tests.support.load import Load
from tests.support.project import Project

# Answers with what varies in it: a counter, a time, an id, a random list, and who answers; and a price.
ITEMS = """        if self.path.startswith("/items"):
            import datetime, uuid
            global visits
            visits += 1
            allowed = self.headers.get("Authorization") == "Bearer canary-4711-token"
            body = {**COLOR, "visits": visits, "id": str(uuid.uuid4()),
                    "at": datetime.datetime.now(datetime.UTC).isoformat(),
                    "items": [{"name": "tea", "price": float(os.environ.get("PRICE", "3.5"))}], "allowed": allowed,
                    "token": "canary-4712-token", "noise": list(range(random.randrange(50)))}
            if os.environ.get("MORE"):
                body["more"] = 1
            if os.environ.get("LESS"):
                del body["items"][0]["name"]
"""
SHOWING = SERVER.replace("        status = 200\n", ITEMS + "        status = 200\n", 1).replace(
    "behaviour = ", "visits = 0\nbehaviour = ", 1
)
PRICED = LEAN.replace(
    'GREETING: "${GREETING:-Hello}"',
    'GREETING: "${GREETING:-Hello}", PRICE: "${PRICE:-3.5}", MORE: "${MORE:-}", LESS: "${LESS:-}"',
)
ASK = ("expect", "--record", "--exact", "-H", "Authorization: Bearer ${API_TOKEN}", "GET", "/items")
CANARY = "canary-4711-token"
CANARIES = (CANARY.encode(), b"canary-4712-token")


@pytest.fixture
def priced(make_project: Make) -> Project:
    project = make_project(PRICED)
    (project.folder / "server.py").write_text(SHOWING)
    project.variables["API_TOKEN"] = CANARY
    return project


def test_a_release_that_answers_otherwise_gets_no_traffic(priced: Project) -> None:
    project = priced
    assert "There are no recorded answers yet." in project.run("expect").err
    assert "Nothing is live yet, so there is nothing to record." in project.run(*ASK).err
    project.ok("up")
    recorded = project.ok(*ASK)
    assert "Recorded GET /items" in recorded.out
    project.ok("expect", "--record", "GET", "/health", "/nothing-here")
    text = (project.folder / "expected.yaml").read_text()
    for line in ('"#number"', "'#time'", "'#uuid'", "'#array'", "price: 3.5", "name: tea", "Bearer ${API_TOKEN}"):
        assert line.replace('"', "'") in text, text
    assert not any(word in text.encode() for word in CANARIES), text
    assert "as recorded  GET /items" in project.ok("expect").out
    before = text
    project.ok(*ASK)
    assert (project.folder / "expected.yaml").read_text() == before, "recording again changes nothing"

    dry = project.ok("switch", "--dry-run", GREETING="two").out
    assert "  expect    3 recorded answers must match, through the preview listener" in dry
    with Load(project.port, {"get": 3}) as load:
        wrong = project.run("switch", PRICE="4")
        assert wrong.code == 1, wrong
        assert "green does not answer as recorded." in wrong.err
        assert "  | GET /items: json.items[0].price is 4.0, expected 3.5\n" in wrong.err
        assert "1 of 3 recorded answers differ" in wrong.err
        assert wrong.err.count("  | ") == 1, "the difference, not two dumps"
        assert not any(word.decode() in wrong.err for word in CANARIES)
        gone = project.run("switch", LESS="1")
        assert 'GET /items: json.items[0].name is absent, expected "tea"' in gone.err
        assert project.color() == "blue"
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.colors()) == {"blue"}

    switched = project.ok("switch", MORE="1")
    assert "3 recorded answers" in switched.err
    assert project.color() == "green", "what a release adds is no difference, nor is its color or number"
    idle = project.ok("expect", "--color", "idle", "--json").json()
    assert (idle["color"], idle["ok"], len(idle["answers"])) == ("blue", True, 3)


@pytest.mark.long
def test_lists_are_recorded_as_the_shape_of_their_entries(priced: Project) -> None:
    """One more entry, or another price, is no difference; an entry without its name is one."""
    project = priced
    project.ok("up")
    project.ok("expect", "--record", "GET", "/items")
    text = (project.folder / "expected.yaml").read_text()
    assert "    items:\n    - '#each'\n    - name: '#string'\n      price: '#number'\n" in text
    assert "tea" not in text
    project.ok("switch", PRICE="4")
    gone = project.run("switch", LESS="1")
    assert gone.code == 1
    assert "GET /items: json.items[0].name is absent, expected #string" in gone.err
    assert project.run("expect", "--exact").code == 2


@pytest.mark.long
def test_what_cannot_be_recorded_or_asked_is_said(priced: Project) -> None:
    project = priced
    project.ok("up")
    for arguments in (
        ("-H", "Authorization: Bearer canary-4711-token", "GET", "/items"), ("GET", "/items?token=canary-4711-token"),
    ):  # fmt: skip
        secret = project.run("expect", "--record", *arguments)
        assert secret.code == 2, secret
        assert "looks like a secret" in secret.err
        assert "canary" not in secret.err
    assert not (project.folder / "expected.yaml").exists()
    assert project.run("expect", "--record", "GRAB", "/").code == 2
    assert project.run("expect", "--record", "GET").code == 2
    assert project.run("expect", "GET", "/").code == 2
    project.ok(*ASK)
    project.variables.pop("API_TOKEN")
    unset = project.run("switch", GREETING="two")
    assert unset.code == 2, unset
    assert "The environment variable API_TOKEN is not set." in unset.err
    (project.folder / ".env").write_text("API_TOKEN=canary-4711-token\n")
    project.ok("switch", GREETING="two")
    (project.folder / "expected.yaml").write_text("- request: GET items\n")
    broken = project.run("switch", GREETING="three")
    assert broken.code == 2, broken
    assert "| entry 1.request: found" in broken.err
    (project.folder / "expected.yaml").unlink()
    noted = project.ok("expect", "--record", "-d", '{"a": 1}', "POST", "/orders")
    assert "POST /orders may change data. It was sent once" in noted.err
    assert "Content-Type: application/json" in (project.folder / "expected.yaml").read_text()
    project.write(PRICED.replace("  drain: 2s\n", "  drain: 2s\n  expected: other.yaml\n"))
    assert "other.yaml does not exist." in project.run("switch", GREETING="four").err
