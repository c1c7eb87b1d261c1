"""What goes with a release, on a machine that is not real: migrations, hooks, recorded answers, what it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.flow import answers as recorded
from bluegreen.flow import task
from bluegreen.flow.steps import depends_on
from tests.fakes.engine_api import Container
from tests.fakes.site import Site, Tell


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "ASK_AGAIN", 0.001)
    monkeypatch.setattr(recorded, "PAUSE", 0.0)
    monkeypatch.setattr(depends_on, "ASK_AGAIN", 0.001)
    monkeypatch.setattr(depends_on, "DEPENDENCY_TIMEOUT", 0.05)


class Once:
    """What one-off containers do, and which there were."""

    def __init__(self, shop: Site) -> None:
        self.there: list[Container] = []
        self.code, self.output = 0, b"done\n"
        self._nginx = shop.engine.once
        shop.engine.once = self

    def __call__(self, it: Container) -> tuple[int, bytes]:
        if "nginx" in it.body["Image"]:
            return self._nginx(it)
        self.there.append(it)
        return self.code, self.output


MIGRATE = {"service": "web", "command": ["migrate", "up"], "timeout": "1s"}


def test_a_migration_runs_once_for_each_release_before_its_containers(live: Site, tell: Tell) -> None:
    once = Once(live)
    live.document["x-bluegreen"]["migrate"] = MIGRATE
    live.release("shop:2")
    code, found = tell("switch")
    assert code == 0, found
    steps = [it["step"] for it in found["steps"]]
    assert steps.index("migrate") < steps.index("create")
    (container,) = once.there
    assert (container.name, container.body["Image"], container.body["Cmd"]) == (
        "shop-migration-web-2", "sha256:shop-2", ["migrate", "up"],
    )  # fmt: skip
    assert "BLUEGREEN_RELEASE=2" in container.body["Env"]
    assert container.policy == {"Name": "no"} or container.policy["Name"] in ("no", "")
    assert container.id not in live.engine.containers, "nothing is left of it"
    (run,) = tell("show", "2")[1]["runs"]
    assert (run["kind"], run["name"], run["outcome"], run["code"], run["output"]) == (
        "migrate",
        "web",
        "done",
        0,
        "done",
    )
    code, back = tell("flip-back")
    assert (code, back["live"]["release"]) == (0, 1)
    assert "Release 2 ran a migration, and flip-back does not undo it" in back["warnings"][0]


def test_a_migration_that_fails_stops_the_release(live: Site, tell: Tell) -> None:
    once = Once(live)
    once.code, once.output = 3, b"one\nno column\n"
    live.document["x-bluegreen"]["migrate"] = MIGRATE
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["live"]["release"]) == (1, 1)
    error = found["error"]
    assert (error["summary"], error["failed"]) == ("The migration of release 2 failed.", "exit code 3")
    assert error["lines"] == ["one", "no column"]
    assert (live.replicas("green"), len(once.there)) == ([], 1)
    assert tell("show", "2")[1]["runs"][0]["outcome"] == "failed"


def test_back_over_an_irreversible_migration_only_with_force(live: Site, tell: Tell) -> None:
    Once(live)
    live.document["x-bluegreen"]["migrate"] = MIGRATE | {"reversible": False}
    live.release("shop:2")
    assert tell("switch")[0] == 0
    code, found = tell("flip-back")
    assert (code, found["error"]["summary"]) == (
        1, "Release 1 cannot run on the data that release 2 has migrated.",
    )  # fmt: skip
    assert tell("flip-back", "--force")[0] == 0


@pytest.mark.parametrize("state", ["running", "exited", "gone"])
def test_a_migration_that_was_cut_is_asked_about(live: Site, tell: Tell, state: str) -> None:
    once = Once(live)
    live.document["x-bluegreen"]["migrate"] = MIGRATE
    labels = {"bluegreen.app": "shop", "bluegreen.role": "migration", "bluegreen.release": "2"}
    if state == "gone":
        from bluegreen.state.journal import Journal

        Journal(live.state, lambda: "then", lambda _: None).runs.start(2, "migrate", "web")
    else:
        left = live.engine.add("shop-migration-web-2", state, Labels=labels)
        left.code = 4
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["error"]["summary"]) == (1, "It is unknown whether a migration was completed.")
    words = {"running": "still runs", "exited": "with exit code 4", "gone": "its container is gone"}[state]
    assert words in found["error"]["failed"]
    assert "the migration of release 2" in tell("status")[1]["migration"]
    assert once.there == []
    answer = "skip" if state == "exited" else "again"
    code, found = tell("switch", "--migrate", answer)
    assert code == 0, found
    assert len(once.there) == (0 if answer == "skip" else 1)
    assert "id-shop-migration-web-2" not in live.engine.containers
    assert tell("status")[1]["migration"] is None


def test_hooks_run_at_their_moments_and_know_which(live: Site, tell: Tell) -> None:
    once = Once(live)
    note = 'echo "$BLUEGREEN_HOOK $BLUEGREEN_VERB $BLUEGREEN_COLOR $BLUEGREEN_RELEASE $BLUEGREEN_OWNER" >>hooks.log'
    moments = ("before_switch", "after_switch", "after_flip_back", "on_failure")
    hooks: dict[str, Any] = {name: [["sh", "-c", note]] for name in moments}
    hooks["after_switch"].append({"service": "web", "command": ["warm"]})
    live.document["x-bluegreen"]["hooks"] = hooks
    live.release("shop:2")
    code, found = tell("switch", "--owner", "Ada")
    assert (code, found["warnings"]) == (0, []), found
    assert once.there[0].body["Cmd"] == ["warm"]
    assert tell("flip-back")[0] == 0
    log = live.project / "hooks.log"
    assert [line.split()[:4] for line in log.read_text().splitlines()] == [
        ["before_switch", "switch", "green", "2"], ["after_switch", "switch", "green", "2"],
        ["after_flip_back", "flip-back", "blue", "1"],
    ]  # fmt: skip
    assert log.read_text().splitlines()[0].endswith("Ada")
    log.unlink()
    hooks["before_switch"] = [["sh", "-c", "echo not today; exit 5"]]
    live.engine.pulled("shop:3")
    live.release("shop:3")
    code, found = tell("switch")
    assert (code, found["error"]["summary"], found["error"]["failed"]) == (
        1, "The hook before_switch failed.", "sh: exit code 5",
    )  # fmt: skip
    assert found["error"]["lines"] == ["not today"]
    assert log.read_text().startswith("on_failure switch")
    assert live.nginx is not None
    assert live.nginx.live == "blue"


def test_a_hook_that_fails_afterwards_is_a_warning(live: Site, tell: Tell) -> None:
    live.document["x-bluegreen"]["hooks"] = {"after_switch": [["false"]], "after_flip_back": [["nowhere-at-all"]]}
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["live"]["release"]) == (0, 2)
    assert found["warnings"] == ["after_switch: The hook after_switch failed. (false: exit code 1)"]
    code, found = tell("flip-back")
    assert code == 0
    assert "The hook after_flip_back failed. (nowhere-at-all: " in found["warnings"][0]


# -- recorded answers


def test_what_live_does_not_answer_either_is_said(live: Site, tell: Tell) -> None:
    """A note more in the list of today's: not the release is at fault, and it is recorded again."""
    live.pages["/notes?all=1&x=2"] = '{"count": 1}'
    assert tell("expect", "--record", "GET", "/notes?all=1&x=2")[0] == 0
    live.pages["/notes?all=1&x=2"] = '{"count": 2}'
    live.release("shop:2")
    code, found = tell("switch")
    assert code == 1
    assert "live differs in the same way" in found["error"]["failed"]
    assert "GET /notes?all=1&x=2: live differs in the same way" in found["error"]["lines"]
    assert found["error"]["next"].startswith("bluegreen expect --record GET '/notes?all=1&x=2'")
    file = live.project / "expected.yaml"
    file.write_text(file.read_text().replace("count: 1", "count: '#number'"))
    assert tell("expect", "--record", "GET", "/notes?all=1&x=2")[0] == 0
    assert "'#number'" in file.read_text(), "what was edited stays"
    assert tell("switch")[0] == 0


def test_answers_are_recorded_from_live_and_a_release_is_held_against_them(live: Site, tell: Tell) -> None:
    live.pages["/price"] = "10"
    code, found = tell("expect", "--record", "GET", "/price", "/")
    assert (code, found["recorded"], found["all"]) == (0, ["GET /price", "GET /"], 2), found
    assert (live.project / "expected.yaml").is_file()
    code, found = tell("expect")
    assert (code, found["ok"], found["color"], found["release"]) == (0, True, "blue", 1)
    live.pages["/price"] = "11"
    code, found = tell("expect")
    assert (code, found["ok"]) == (1, False)
    assert [bool(it["differences"]) for it in found["answers"]] == [True, False]
    live.release("shop:2")
    code, found = tell("switch")
    assert (code, found["live"]["release"]) == (1, 1)
    assert found["error"]["summary"] == "green does not answer as recorded."
    assert found["error"]["failed"].startswith("2 of 2 recorded answers differ") or "differ" in found["error"]["failed"]
    assert any("GET /price" in line for line in found["error"]["lines"])
    assert live.running("green") == 0
    assert "the live release matches" not in str(tell("check")[1])


def test_what_cannot_be_recorded(live: Site, tell: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("expect")[1]["error"]["summary"] == "There are no recorded answers yet."
    code, found = tell("expect", "--record", "GET", "/", "-H", "Authorization: Bearer x")
    assert (code, found["error"]["failed"]) == (2, "header Authorization was given with its value")
    code, found = tell("expect", "--record", "GET", "/?api_key=x")
    assert (code, found["error"]["failed"]) == (2, "parameter api_key was given with its value")
    code, found = tell("expect", "--record", "GET", "/", "-H", "Authorization: ${BG_TOKEN}")
    assert (code, found["error"]["summary"]) == (2, "The environment variable BG_TOKEN is not set.")
    live.sick.add(1)
    code, found = tell("expect", "--record", "GET", "/")
    assert (code, found["error"]["failed"]) == (1, "answered 503, 503, 503")
    for words in (["GET", "/"], ["--record"], ["--record", "GET"], ["--record", "FETCH", "/"], ["--record", "/", "x"]):
        assert live.run("expect", *words) == 2, words
    assert live.run("expect", "--record", "GET", "/", "-H", "no colon") == 2
    assert not (live.project / "expected.yaml").exists()
    capsys.readouterr()


def test_a_request_that_may_change_data_is_asked_once_and_sent_with_its_type(
    live: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BG_TOKEN", "s3cr3t-value")
    asked: list[str] = []
    reply = live.reply_of

    def note(address: str, port: int, path: str) -> Any:
        asked.append(path)
        return reply(address, port, path)

    monkeypatch.setattr(live, "reply_of", note)
    code, found = tell("expect", "--record", "POST", "/buy", "-d", "{}", "-H", "X-Token: ${BG_TOKEN}")
    assert code == 0, found
    assert asked.count("/buy") == 1
    assert "POST /buy may change data" in found["notices"][0]
    text = (live.project / "expected.yaml").read_text()
    assert "application/json" in text
    assert "${BG_TOKEN}" in text
    assert "s3cr3t" not in text
    assert tell("expect", "--record", "GET", "/look")[0] == 0
    assert asked.count("/look") == 3


# -- what a service waits for


WAITS: list[tuple[str, str, str | None, int, str | None]] = [
    ("service_started", "running", None, 0, None), ("service_started", "exited", None, 1, "db is exited"),
    ("service_started", "exited", None, 0, None),
    ("service_healthy", "running", "healthy", 0, None), ("service_healthy", "running", None, 0, "db is running"),
    ("service_healthy", "running", "starting", 0, "db is starting"),
    ("service_completed_successfully", "exited", None, 0, None),
    ("service_completed_successfully", "exited", None, 2, "db is exited, exit code 2"),
    ("service_completed_successfully", "running", None, 0, "db is running, exit code 0"),
    ("service_started", "gone", None, 0, "db has no container"),
]  # fmt: skip


def test_what_depends_on_asks_for(live: Site, tell: Tell) -> None:
    for wanted, state, health, code, failed in WAITS:
        live.document["services"]["web"]["depends_on"] = {"db": {"condition": wanted}}
        live.database.state, live.database.health, live.database.code = state, health, code
        if state == "gone":
            del live.engine.containers[live.database.id]
        ended, found = tell("switch", "--force")
        if failed is None:
            assert ended == 0, (wanted, state, found)
            continue
        assert (ended, found["error"]["failed"], found["error"]["expected"]) == (1, failed, wanted)
        assert found["error"]["next"] == ("" if state == "gone" else "bluegreen logs db, then ") + "bluegreen up"
        live_color = found["live"]["color"]
        assert live.running("green" if live_color == "blue" else "blue") in (0, 2), "none, or what stood there before"


@pytest.mark.parametrize("state", ["exited", "created", "dead", "gone"])
def test_a_shared_service_that_does_not_run_is_started_first_as_it_is(live: Site, tell: Tell, state: str) -> None:
    live.release("shop:2")
    live.database.state, live.database.code = state, 1
    if state == "gone":
        del live.engine.containers[live.database.id]
    (found,) = [it for it in tell("check")[1]["findings"] if it["name"] == "depends-on"]
    assert (found["outcome"], found["found"]) == (
        "warning",
        f"db {'has no container' if state == 'gone' else f'is {state}'}",
    )
    ended, found = tell("switch")
    assert found["steps"][0]["step"] == "shared"
    assert any(it.endswith("up --detach --no-deps --no-recreate db") for it in live.asked_of_compose)
    assert (ended, found["error"]["summary"]) == (
        1, f"web needs db, which {'has no container' if state == 'gone' else f'is {state}'}.",
    )  # fmt: skip
    assert live.running("blue") == 2


def test_a_shared_service_that_ends_at_once_is_not_waited_for_and_says_why(live: Site, tell: Tell) -> None:
    live.release("shop:2")
    live.database.state, live.database.code, live.database.output = "exited", 1, b"no disk\ngiving up\n"
    ended, found = tell("switch")
    assert ended == 1
    assert found["error"]["lines"] == ["db  no disk", "db  giving up"]


def test_a_service_that_waits_for_its_migration_has_waited(live: Site, tell: Tell) -> None:
    Once(live)
    live.document["services"]["schema"] = {"image": "shop:1"}
    live.document["services"]["web"]["depends_on"] = {"schema": {"condition": "service_completed_successfully"}}
    live.document["x-bluegreen"]["migrate"] = {"service": "schema"}
    live.release("shop:2")
    code, found = tell("switch")
    assert code == 0, found


def test_what_is_not_required_may_be_missing(live: Site, tell: Tell) -> None:
    live.document["services"]["web"]["depends_on"] = {"db": {"condition": "service_healthy", "required": False}}
    live.release("shop:2")
    del live.engine.containers[live.database.id]
    assert tell("switch")[0] == 0
