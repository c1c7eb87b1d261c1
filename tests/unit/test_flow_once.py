"""What runs once: hooks and migrations. In which order, what is told to whom, and what the journal keeps of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain.app import Migration, Route, Settings, Stack, Task
from bluegreen.domain.release import Image
from bluegreen.domain.world import TaskContainer
from bluegreen.errors import BluegreenError, ExitCode, Interrupted
from bluegreen.flow import hooks, migrate
from bluegreen.flow.hooks import HookFailed, Moment, after_failure, run_hooks
from bluegreen.flow.migrate import in_doubt, refuse_doubt, settle_doubt
from bluegreen.flow.task import Ended
from bluegreen.flow.values import Result
from bluegreen.state.journal import Journal
from tests.fakes.noted import done, tools

MOMENT = Moment("switch", "green", 7, "switched", "Ada")
IMAGES = {"web": Image("shop:7", "sha256:7")}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, lambda: "noon")


def _runs(journal: Journal, release: int = 7) -> list[tuple[Any, ...]]:
    return [(it.kind, it.name, it.outcome, it.code, it.output) for it in journal.runs.of(release)]


def _stack(*tasks: Task, migration: Migration | None = None) -> Stack:
    settings = Settings((Route("web", 8000),), migrate=migration, hooks={"after_switch": tasks} if tasks else {})
    return Stack("shop", settings, {"web": {}}, {}, {}, {}, {}, (), "/srv/shop")


# -- hooks


def test_hooks_run_in_their_order_and_the_first_that_fails_is_the_last(journal: Journal) -> None:
    ran: list[tuple[Any, ...]] = []

    def host(command: tuple[str, ...], variables: Any, folder: Path, timeout: float) -> tuple[int, str, str]:
        ran.append((command[0], variables["BLUEGREEN_HOOK"], str(folder), timeout))
        failed = command[0] == "second"
        return int(failed), "s3cret\n" + "\n".join(map(str, range(12))), "exit code 1" if failed else ""

    it = tools(host=host, journal=journal)
    stack = _stack(Task(("first", "-x"), timeout=9), Task(("second",)), Task(("third",)))
    with pytest.raises(HookFailed) as error:
        run_hooks(it, stack, "after_switch", MOMENT, IMAGES)
    assert ran == [("first", "after_switch", "/srv/shop", 9), ("second", "after_switch", "/srv/shop", 60.0)]
    assert done(it) == ["interpolated /srv/shop"], "what looks like a secret there is known from here on"
    assert it.told.progress == ["after_switch: first", "after_switch: second"]
    assert error.value.failed == "second: exit code 1"
    assert error.value.lines == [str(number) for number in range(4, 12)]
    assert error.value.next == "bluegreen -p shop show 7"
    assert [run[:4] for run in _runs(journal)] == [
        ("after_switch", "first", "done", 0), ("after_switch", "second", "failed", 1),
    ]  # fmt: skip
    assert _runs(journal)[0][4].startswith("***")


def test_without_hooks_compose_is_not_asked() -> None:
    it = tools()
    assert run_hooks(it, _stack(), "after_switch", MOMENT, IMAGES) == ""
    assert it.log == []


def test_a_hook_in_a_container_gets_its_image_and_is_not_cut_while_it_is_made(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []

    def create(_: Stack, task: Task, role: str, image: Image, release: int, variables: Any) -> str:
        made.append((task.service, role, image.id, release, variables["BLUEGREEN_COLOR"], it.told.deferred_now))
        return "c"

    it = tools(colors={"create_task": create}, journal=journal)
    monkeypatch.setattr(
        hooks, "run_to_end", lambda _, container, timeout, what: Ended(0, f"{container} {timeout} {what}")
    )
    stack = _stack(Task(("warm",), "web", 5.0), Task((), "web"))
    assert run_hooks(it, stack, "after_switch", MOMENT, IMAGES) == "web, web"
    assert made == [("web", "once", "sha256:7", 7, "green", 1)] * 2
    assert _runs(journal)[0] == ("after_switch", "web", "done", 0, "c 5.0 web")


def test_a_hook_whose_image_is_not_known_fails_and_one_that_is_cut_is_interrupted(journal: Journal) -> None:
    it = tools(colors={"create_task": Interrupted("stop")}, journal=journal)
    with pytest.raises(HookFailed, match="after_switch failed") as error:
        run_hooks(it, _stack(Task((), "web")), "after_switch", MOMENT, {})
    assert error.value.failed.startswith("web: the image of web is unknown")
    with pytest.raises(Interrupted):
        run_hooks(it, _stack(Task((), "web")), "after_switch", MOMENT, IMAGES)
    assert [run[2] for run in _runs(journal)] == ["failed", "interrupted"]


def test_what_a_hook_is_told() -> None:
    assert MOMENT.variables(tools(), "after_switch") == {
        "BLUEGREEN_APP": "shop", "BLUEGREEN_HOOK": "after_switch", "BLUEGREEN_VERB": "switch",
        "BLUEGREEN_COLOR": "green", "BLUEGREEN_RELEASE": "7", "BLUEGREEN_OUTCOME": "switched",
        "BLUEGREEN_OWNER": "Ada",
    }  # fmt: skip
    empty = Moment("up", None, None, "failed", "").variables(tools(), "on_failure")
    assert (empty["BLUEGREEN_COLOR"], empty["BLUEGREEN_RELEASE"]) == ("", "")


@pytest.mark.parametrize("code", list(ExitCode))
def test_on_failure_runs_when_something_was_tried_and_failed(journal: Journal, code: ExitCode) -> None:
    result = Result("switch", "failed", error=BluegreenError("x", exit_code=code))
    ran: list[str] = []
    settings = Settings((Route("web", 8000),), hooks={"on_failure": (Task(("page",)),)})
    stack = Stack("shop", settings, {"web": {}}, {}, {}, {}, {}, (), "/srv/shop")

    def host(command: tuple[str, ...], *_: Any) -> tuple[int, str, str]:
        ran.append(command[0])
        return 0, "", ""

    after_failure(tools(host=host, journal=journal), result, MOMENT, lambda: stack, {})
    quiet = code in (ExitCode.USAGE, ExitCode.LOCKED, ExitCode.INTERRUPTED)
    assert ran == ([] if quiet else ["page"])
    after_failure(tools(host=host, journal=journal), Result("switch", "switched"), MOMENT, lambda: stack, {})
    assert ran == ([] if quiet else ["page"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (HookFailed("no", failed="page: exit code 1"), "on_failure failed (page: exit code 1)"),
        (BluegreenError("The file is broken."), "on_failure did not run (The file is broken.)"),
    ],
)
def test_a_hook_that_comes_after_the_fact_is_a_warning(error: BluegreenError, words: str) -> None:
    result = Result("switch", "failed", error=BluegreenError("x"))

    def load() -> Stack:
        raise error

    after_failure(tools(), result, MOMENT, load, {})
    assert words in result.warnings[0]
    assert "the outcome of the switch stays" in result.warnings[0]


# -- migrations


def _left(release: int = 7, running: bool = False, name: str = "shop-migration-web-7") -> TaskContainer:
    return TaskContainer(f"id{release}", name, release, running, None if running else 3)


def test_what_is_known_of_a_migration_that_was_cut(journal: Journal) -> None:
    it = tools(containers={"task_containers": ()}, journal=journal)
    assert in_doubt(it) is None
    journal.runs.start(6, "migrate", "web")
    cut = "was running when an earlier command was interrupted"
    assert in_doubt(it) == f"the migration of release 6 (started noon) {cut}; its container is gone"
    it.containers._answers["task_containers"] = (_left(5), _left(7, running=True))
    found = in_doubt(it) or ""
    assert found.startswith(f"the migration of release 7 {cut}"), "nothing is known of when it began"
    assert found.endswith("shop-migration-web-7 still runs")
    it.containers._answers["task_containers"] = (_left(6),)
    assert (in_doubt(it) or "").endswith("has ended since, with exit code 3")
    assert "started noon" in (in_doubt(it) or "")


def test_an_app_without_migrations_does_not_ask_for_their_containers(journal: Journal) -> None:
    it = tools(containers={"task_containers": (_left(),)}, journal=journal)
    assert in_doubt(it, migrates=False) is None
    assert it.log == []
    journal.runs.start(7, "migrate", "web")
    assert in_doubt(it, migrates=False) is not None, "one that was cut before the file lost its migration"


def test_a_doubt_is_a_reason_to_ask_unless_it_was_answered(journal: Journal) -> None:
    it = tools(containers={"task_containers": (_left(),)}, journal=journal)
    with pytest.raises(BluegreenError, match="It is unknown whether a migration was completed") as error:
        refuse_doubt(it, "prepare", None)
    assert "bluegreen -p shop prepare --migrate again" in error.value.next
    refuse_doubt(it, "prepare", "skip")
    it.containers._answers["task_containers"] = ()
    refuse_doubt(it, "prepare", None)


def test_what_is_left_of_cut_migrations_is_ended_and_its_words_are_kept(journal: Journal) -> None:
    for release in (5, 7):
        journal.runs.start(release, "migrate", "web")
    containers = {
        "task_containers": (_left(7, running=True),), "end_of": lambda _: None, "log_tail": ["half s3cret", "way"],
    }  # fmt: skip
    it = tools(containers=containers, journal=journal)
    assert settle_doubt(it, "again") == "shop-migration-web-7 was stopped"
    assert done(it)[-2:] == ["stop id7", "remove id7"]
    assert _runs(journal, 7) == [("migrate", "web", "cut; then --migrate again", None, "half ***\nway")]
    assert _runs(journal, 5)[0][2] == "cut; then --migrate again"
    containers["task_containers"] = (_left(7),)
    assert settle_doubt(tools(containers=containers, journal=journal), "skip") == "shop-migration-web-7 was ended"


def _migrate(it: Any, answer: Any = None, migration: Migration | None = None) -> str:
    migration = migration or Migration(Task(("up",), "web", 30.0))
    return migrate.migrate(it, _stack(migration=migration), IMAGES["web"], "green", 7, answer)


def test_a_release_without_a_migration_runs_none() -> None:
    it = tools()
    assert migrate.migrate(it, _stack(), IMAGES["web"], "green", 7, None) == "none"
    assert it.log == []


@pytest.mark.parametrize(("answer", "runs"), [(None, True), ("again", True), ("skip", False)])
def test_a_migration_that_was_answered_for_is_run_again_or_left_out(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, answer: Any, runs: bool
) -> None:
    it = tools(containers={"task_containers": (_left(5),), "log_tail": [], "end_of": lambda _: 3}, journal=journal)

    def run_to_end(given: Any, *_: Any) -> Ended:
        given.sleep(1.5)
        return Ended(0, "fine")

    monkeypatch.setattr(migrate, "run_to_end", run_to_end)
    words = _migrate(it, answer)
    assert ("create_task" in [call[0] for call in it.log]) is runs
    assert (("remove", "id5") in it.log) is (answer is not None), "what was cut is only ended with a word"
    assert ("1.5 s" in words) is runs
    assert ("was ended" in words) is (answer is not None)
    assert _runs(journal) == ([("migrate", "web", "done", 0, "fine")] if runs else [])


def test_a_migration_that_is_cut_or_fails_is_written_down_as_such(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = tools(journal=journal)

    def cut(*_: Any) -> Ended:
        raise Interrupted("stop")

    monkeypatch.setattr(migrate, "run_to_end", cut)
    with pytest.raises(Interrupted):
        _migrate(it)
    lines = [str(number) for number in range(20)]
    monkeypatch.setattr(migrate, "run_to_end", lambda *_: Ended(None, "\n".join(lines), "did not end within 30 s"))
    with pytest.raises(BluegreenError) as error:
        _migrate(it)
    assert (error.value.failed, error.value.lines) == ("did not end within 30 s", lines[-12:])
    assert "30 s" in error.value.expected
    assert error.value.next == "bluegreen -p shop show 7"
    assert [run[2] for run in _runs(journal)] == ["interrupted", "failed"]
    assert it.told.deferred_now == 0
