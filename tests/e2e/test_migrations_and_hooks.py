"""Migrations, hooks and what is said of a release: run for real, cut for real."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.load import Load
from tests.support.project import Done, Project

# A migration that says when it begins and ends, and with what; as slow and as failing as it is told to be.
SCHEMA = """
import os, sys, time
def say(word):
    with open("/data/log", "a") as log:
        print(word, os.environ["BLUEGREEN_RELEASE"], os.environ["GREETING"], file=log)
    print(word, open("/run/secrets/word").read(), flush=True)
say("begin")
time.sleep(float(os.environ["MIGRATE_SECONDS"]))
say("end")
sys.exit(int(os.environ["MIGRATE_EXIT"]))
"""
MIGRATING = (
    LEAN.replace(
        "  drain: 2s\n", '  drain: 2s\n  migrate: {service: schema, timeout: 4s, reversible: "${REVERSIBLE:-true}"}\n'
    )
    + """  schema:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [python3, /srv/schema.py]
    environment:
      GREETING: "${GREETING:-Hello}"
      MIGRATE_SECONDS: "${MIGRATE_SECONDS:-0}"
      MIGRATE_EXIT: "${MIGRATE_EXIT:-0}"
    volumes: ["./schema.py:/srv/schema.py:ro", "./data:/data"]
    secrets: [word]
    stop_grace_period: 1s
secrets:
  word: {environment: SECRET_WORD}
"""
)
WORD = "open-sesame-4711"


@pytest.fixture
def migrating(make_project: Make) -> Project:
    project = make_project(MIGRATING)
    (project.folder / "schema.py").write_text(SCHEMA)
    (project.folder / "data").mkdir()
    project.variables["SECRET_WORD"] = WORD
    return project


def _log(project: Project) -> list[str]:
    return (project.folder / "data" / "log").read_text().splitlines()


def _once(project: Project) -> list[str]:
    return project.containers("bluegreen.role=migration")


def test_a_migration_runs_once_for_each_release_before_its_traffic(migrating: Project) -> None:
    project = migrating
    project.ok("up")
    assert _log(project) == ["begin 1 Hello", "end 1 Hello"]
    with Load(project.port, {"get": 3}) as load:
        done = project.ok("switch", GREETING="two")
        assert _log(project)[2:] == ["begin 2 two", "end 2 two"], "from the new definition"
        steps = re.findall(r"^  . (\S+)", done.err, re.MULTILINE)
        assert steps.index("migrate") < steps.index("create") < steps.index("health"), done.err
        failed = project.run("switch", GREETING="three", MIGRATE_EXIT="3")
        assert failed.code == 1, failed
        assert "The migration of release 3 failed." in failed.err
        assert "exit code 3" in failed.err
        assert "| begin *****" in failed.err, "its output is shown, its secret is not"
        slow = project.run("switch", GREETING="four", MIGRATE_SECONDS="60")
        assert slow.code == 1, slow
        assert "did not end within 4 s" in slow.err
        assert slow.seconds < 15
        back = project.ok("flip-back")
    assert (
        "Release 2 ran a migration, and flip-back does not undo it: release 1 works on the migrated data." in back.out
    )
    assert load.tally.lost == [], load.tally.why()
    assert _once(project) == []
    shown = project.ok("show", "3").out
    assert "ran       migrate schema: failed (exit code 3)" in shown
    assert "begin *****" in shown
    journal = (project.state / "journal.db").read_bytes() + b"".join(
        path.read_bytes() for path in project.state.glob("journal.db-*")
    )
    assert WORD.encode() not in journal
    assert project.status()["migration"] is None


@pytest.mark.long
def test_flip_back_over_an_irreversible_migration_asks_for_force(migrating: Project) -> None:
    project = migrating
    project.ok("up")
    project.ok("switch", GREETING="two", REVERSIBLE="false")
    refused = project.run("flip-back")
    assert refused.code == 1, refused
    assert "Release 1 cannot run on the data that release 2 has migrated." in refused.err
    assert project.status()["flip_back"] is None
    assert project.color() == "green"
    project.ok("flip-back", "--force")
    assert project.color() == "blue"
    project.ok("flip-back")  # forward again: nothing stands against that
    assert project.color() == "green"


def _cut(project: Project, name: str, **more: str) -> Done:
    """A switch that is ended by a signal while its migration runs."""
    process = subprocess.Popen(
        [*project.command, "switch"], cwd=project.folder, env=project.environment(more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    before = len(_log(project))
    deadline = time.monotonic() + 30
    while len(_log(project)) == before:
        assert time.monotonic() < deadline, "the migration never began"
        time.sleep(0.05)
    os.kill(process.pid, signal.Signals[name])
    out, err = process.communicate(timeout=30)
    return Done(process.returncode, out, err, 0, 0)


@pytest.mark.long
def test_a_migration_that_was_cut_is_in_doubt_until_a_person_says_what_to_do(migrating: Project) -> None:
    project = migrating
    project.ok("up")
    killed = _cut(project, "SIGKILL", GREETING="two", MIGRATE_SECONDS="3")
    assert killed.code == -signal.SIGKILL
    assert len(_once(project)) == 1, "the Engine runs it on"
    doubt = project.status()["migration"]
    assert doubt.startswith("the migration of release 2 (started 20")
    refused = project.run("switch", GREETING="two")
    assert refused.code == 1, refused
    assert "It is unknown whether a migration was completed." in refused.err
    assert "--migrate again" in refused.err
    assert "--migrate skip" in refused.err
    assert project.run("switch", "--dry-run", GREETING="two").code == 1
    project.ok("up")  # mends; a migration is none of its business
    assert project.color() == "blue"
    project.ok("switch", "--migrate", "again", GREETING="two")
    assert _log(project)[2:4] == ["begin 2 two", "end 2 two"] or _log(project)[2:4] == ["begin 2 two", "begin 3 two"]
    assert _log(project)[-1] == "end 3 two"
    assert project.color() == "green"
    assert _once(project) == []
    assert project.status()["migration"] is None

    interrupted = _cut(project, "SIGINT", GREETING="three", MIGRATE_SECONDS="3")
    assert interrupted.code == 130, interrupted
    assert _once(project) == [], "it got its stop signal"
    assert "It is unknown whether a migration was completed." in project.run("switch", GREETING="three").err
    runs = len(_log(project))
    skipped = project.ok("switch", "--migrate", "skip", GREETING="three")
    assert "skipped (--migrate skip)" in skipped.err
    assert len(_log(project)) == runs
    assert project.color() == "blue"
    outcomes = [run["outcome"] for number in (2, 4) for run in project.ok("show", str(number), "--json").json()["runs"]]
    assert outcomes == ["cut; then --migrate again", "cut; then --migrate skip"]


HOOKED = (
    LEAN.replace(
        "  drain: 2s\n",
        """  drain: 2s
  hooks:
    before_switch: [python3, hook.py, "a b; touch pwned", "$$(touch pwned)"]
    after_switch: [[python3, hook.py], {service: tell, timeout: 20s}]
    after_flip_back: {command: [python3, hook.py]}
    on_failure: [[python3, hook.py]]
""",
    )
    + """  tell:
    profiles: [release]
    image: ${PYTHON_IMAGE}
    command: [sh, -c, 'echo "told of $$BLUEGREEN_RELEASE by $$BLUEGREEN_HOOK, $$PASSWORD"']
    environment: {PASSWORD: "open-sesame-4711"}
    stop_grace_period: 0s
"""
)
HOOK = """
import json, os, sys, time
ours = {name[10:].lower(): value for name, value in os.environ.items() if name.startswith("BLUEGREEN_")}
with open("hooks.log", "a") as log:
    print(json.dumps({**ours, "arguments": sys.argv[1:]}), file=log)
print("hook says", ours["hook"])
time.sleep(30 if os.environ.get("HOOK_SLEEPS") == ours["hook"] else 0)
sys.exit(os.environ.get("HOOK_FAILS") == ours["hook"])
"""


def _hooks(project: Project) -> list[dict[str, str]]:
    file = project.folder / "hooks.log"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return found


@pytest.mark.long
def test_hooks_run_at_their_moments_and_only_the_first_may_veto(make_project: Make) -> None:
    project = make_project(HOOKED)
    (project.folder / "hook.py").write_text(HOOK)
    project.ok("up", "--owner", "Ada")
    before, after = _hooks(project)
    assert before == {
        "app": project.name, "hook": "before_switch", "verb": "up", "color": "blue", "release": "1",
        "outcome": "prepared", "owner": "Ada", "arguments": ["a b; touch pwned", "$(touch pwned)"],
    }  # fmt: skip
    assert (after["hook"], after["outcome"]) == ("after_switch", "switched")
    assert not list(project.folder.rglob("pwned"))
    shown = project.ok("show").out
    assert "told of 1 by after_switch, *****" in shown

    veto = project.run("switch", GREETING="two", HOOK_FAILS="before_switch")
    assert veto.code == 1, veto
    assert "The hook before_switch failed." in veto.err
    assert "| hook says before_switch" in veto.err
    assert [it["hook"] for it in _hooks(project)] == ["before_switch", "on_failure"]
    assert project.color() == "blue"

    project.write(
        HOOKED.replace("before_switch: [", "before_switch: {timeout: 1s, command: [").replace('pwned)"]', 'pwned)"]}')
    )
    late = project.run("switch", GREETING="two", HOOK_SLEEPS="before_switch")
    assert late.code == 1, late
    assert "failed    python3: did not end within 1 s" in late.err
    assert late.seconds < 20
    _hooks(project)

    warned = project.ok("switch", GREETING="two", HOOK_FAILS="after_switch")
    assert "Warning: after_switch: The hook after_switch failed. (python3: exit code 1)" in warned.out
    assert project.color() == "green"
    _hooks(project)

    project.ok("flip-back")
    (told,) = _hooks(project)
    assert (told["hook"], told["color"], told["outcome"]) == ("after_flip_back", "blue", "flipped-back")
    whole = project.file.read_text()
    project.file.write_text("not: [a Compose file")
    done = project.ok("flip-back")
    assert "The hook after_flip_back did not run. (the Compose file cannot be read" in done.out
    assert project.color() == "green"
    project.file.write_text(whole)
    assert project.containers("bluegreen.role=once") == []


@pytest.mark.long
def test_a_release_says_who_why_and_what_to_expect(lean: Project) -> None:
    project = lean
    required = LEAN.replace("  drain: 2s\n", "  drain: 2s\n  require: [owner, note]\n")
    project.write(required)
    git = ["git", "-C", str(project.folder), "-c", "user.name=Grace", "-c", "user.email=g@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "config", "user.name", "Grace"], check=True)
    (project.folder / ".gitignore").write_text(".bluegreen/\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "The first"], check=True)
    project.ok("up")
    first = project.ok("show", "--json").json()
    assert (first["owner"], first["subject"], first["standing"]) == ("Grace", "The first", "live")

    refused = project.run("switch", GREETING="two")
    assert refused.code == 2, refused
    assert "A release of this app must say its note." in refused.err
    assert 'next      bluegreen switch --note "…"' in refused.err
    (project.folder / "server.py").write_text((project.folder / "server.py").read_text() + "\n")
    said = ("--owner", "Ada", "--expect", "p95 under 300 ms", "--note", "safe until \x1b[31mFriday", "--revision", "v2")
    project.ok("switch", *said, GREETING="two")
    second = project.ok("show", "--json").json()
    assert second["changed"] == {"images": [], "keys": [], "environment": ["web.GREETING"]}
    assert (second["owner"], second["expect"], second["revision"]) == ("Ada", "p95 under 300 ms", "v2")
    assert second["seconds"] > 0
    shown = project.ok("show")
    assert re.search(r"^note +safe until .*Friday$", shown.out, re.MULTILINE)
    assert "\x1b" not in shown.out
    project.write(LEAN)
    project.ok("switch", GREETING="three")
    third = project.ok("show", "--json").json()
    assert third["revision"] == first["revision"] + "+", "files have changed since that commit"
    history = project.ok("history").out.splitlines()
    assert re.match(r"   3  live      .* Grace  v2\.\.\w+\+  The first", history[0]), history
    assert [it["release"] for it in project.ok("history", "--json").json()["releases"]] == [3, 2, 1]
    assert project.run("show", "9").code == 1
    journal = (project.state / "journal.db").read_bytes()
    assert b"three" not in journal, "values of variables are not kept"
