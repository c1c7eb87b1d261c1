"""Commands that look, on a machine that is not real: they say what is there, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.site import Site, Tell, site, told

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def machine() -> Iterator[Site]:
    """Release 2 is live in green, release 1 is the way back."""
    with pytest.MonkeyPatch.context() as patch, site(patch) as it:
        assert it.run("up", "--progress", "none", "--owner", "Ada", "--note", "the first") == 0
        it.release("shop:2")
        it.document["services"]["web"]["environment"] = {"MODE": "two"}
        assert it.run("switch", "--progress", "none", "--owner", "Bo", "--expect", "faster", "--revision", "abc") == 0
        yield it


@pytest.fixture
def tell(machine: Site, capsys: pytest.CaptureFixture[str]) -> Tell:
    return lambda *words: told(lambda: machine.run(*words, "--json"), capsys)


@pytest.fixture
def read(machine: Site, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> str:
        capsys.readouterr()
        assert machine.run(*words) == 0
        return capsys.readouterr().out

    return run


def test_status_says_what_serves_what_stands_by_and_how_to_go_back(tell: Tell, read: Any) -> None:
    code, found = tell("status")
    assert code == 0
    assert (found["live"]["color"], found["live"]["release"], found["live"]["standing"]) == ("green", 2, "live")
    assert found["live"]["replicas"] == {
        "web": {"wanted": 2, "running": 2, "healthy": 2}, "worker": {"wanted": 1, "running": 1, "healthy": 1},
    }  # fmt: skip
    assert found["idle"]["replicas"]["worker"] == {"wanted": 0, "running": 0, "healthy": 0}
    assert (found["idle"]["standing"], found["idle"]["since"], bool(found["live"]["since"])) == ("previous", None, True)
    assert found["live"]["images"]["web"] == {"ref": "shop:2", "id": "sha256:shop-2"}
    assert (found["urls"], found["preview"]) == (["http://localhost:8123/"], "127.0.0.1:8124")
    assert (found["flip_back"], found["no_way_back"]) == ("bluegreen flip-back", None)
    assert (found["drift"], found["unfinished"], found["migration"], found["failover"]) == (None, None, None, None)
    assert found["jobs"] == {
        "worker": {"wanted": 1, "running": 1, "restarts": 0, "last_exit": None, "health": None, "failing": []}
    }
    text = read("status")
    assert "green" in text
    assert "bluegreen flip-back" in text


def test_status_of_what_is_not_well(machine: Site, tell: Tell) -> None:
    idle, (worker,) = machine.replicas("blue")[0], machine.replicas("green", "worker")
    idle.state, worker.state, worker.code = "exited", "exited", 3
    machine.sick.add(2)
    try:
        found = tell("status")[1]
    finally:
        idle.state, worker.state, worker.code = "running", "running", 0
        machine.sick.clear()
    assert found["live"]["replicas"]["web"] == {"wanted": 2, "running": 2, "healthy": 0}
    assert found["idle"]["replicas"]["web"]["running"] == 1
    assert found["flip_back"] is None
    assert "web" in found["no_way_back"]
    job = found["jobs"]["worker"]
    assert (job["running"], job["last_exit"], job["failing"]) == (0, 3, ["worker-1 is exited, exit code 3"])


@pytest.mark.parametrize(
    ("state", "health", "code", "failing"),
    [
        ("exited", None, 0, []), ("running", "unhealthy", 0, ["worker-1 is unhealthy"]), ("running", "healthy", 0, []),
        ("restarting", None, 0, ["worker-1 is restarting, exit code 0"]),
    ],
)  # fmt: skip
def test_whether_a_job_fails(
    machine: Site, tell: Tell, state: str, health: str | None, code: int, failing: list[str]
) -> None:
    (worker,) = machine.replicas("green", "worker")
    worker.state, worker.health, worker.code = state, health, code
    try:
        job = tell("status")[1]["jobs"]["worker"]
        del machine.engine.containers[worker.id]
        gone = tell("status")[1]["jobs"]["worker"]
    finally:
        machine.engine.containers[worker.id] = worker
        worker.state, worker.health = "running", None
    assert job["failing"] == failing
    assert job["health"] == health
    assert gone["failing"] == ["1 of 1 gone"]


def test_history_and_show(tell: Tell, read: Any) -> None:
    second, first = tell("history")[1]["releases"]
    assert (first["release"], first["owner"], first["note"], first["standing"]) == (1, "Ada", "the first", "previous")
    assert (second["release"], second["owner"], second["expect"], second["standing"]) == (2, "Bo", "faster", "live")
    assert (second["revision"], second["previous"], second["kept"]) == ("abc", 1, True)
    assert second["changed"]["environment"] == ["web.MODE"] or "MODE" in str(second["changed"]["environment"])
    assert second["changed"]["images"]
    assert first["changed"] is None
    assert len(tell("history", "-n", "1")[1]["releases"]) == 1
    assert tell("show")[1]["release"] == 2
    assert tell("show", "1")[1]["images"]["web"]["ref"] == "shop:1"
    assert "Ada" in read("show", "1")
    assert "Bo" in read("history")


def test_a_release_that_never_was(machine: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.run("show", "9") == 1
    assert "There is no release 9." in (err := capsys.readouterr().err)
    assert "one of: 1, 2" in err


def test_logs_of_both_colors_by_their_time(machine: Site, read: Any, capsys: pytest.CaptureFixture[str]) -> None:
    machine.replicas("green")[0].output = b"2026-01-02T00:00:02Z second\r\n2026-01-02T00:00:04Z last"
    machine.replicas("blue")[1].output = b"2026-01-02T00:00:01Z first\n2026-01-02T00:00:03Z third\n"
    everything = [line.split() for line in read("logs").splitlines()]
    assert everything == [
        ["shop-blue-web-2", "first"], ["shop-green-web-1", "second"], ["shop-blue-web-2", "third"],
        ["shop-green-web-1", "last"],
    ]  # fmt: skip
    assert read("logs", "green", "-n", "1").split() == ["shop-green-web-1", "last"]
    assert read("logs", "worker") == ""
    assert sorted(read("logs", "-f", "web").split()) == sorted(read("logs", "web").split())
    assert machine.run("logs", "green", "db") == 1
    assert "no container of green db" in capsys.readouterr().err


def test_apps_are_found_by_folders_and_labels(machine: Site, tell: Tell, read: Any) -> None:
    (found,) = tell("apps")[1]["apps"]
    assert (found["app"], found["live"], found["running"]) == ("shop", {"color": "green", "release": 2}, True)
    assert (found["folder"], found["state"]) == (str(machine.project), str(machine.state))
    header, row = read("apps").splitlines()
    assert header.split() == ["app", "live", "url", "certificate", "folder", "owner"]
    assert "green, release 2" in row
    machine.engine.refuse["GET /containers"] = (500, {"message": "broken"})
    try:
        found = tell("apps")[1]
    finally:
        machine.engine.refuse.clear()
    assert [it["app"] for it in found["apps"]] == ["shop"]
    assert "broken" in found["notes"][0]


def test_check_finds_everything_well(tell: Tell, read: Any) -> None:
    code, found = tell("check")
    outcomes = {(it["name"], it["outcome"]) for it in found["findings"]}
    assert (code, found["ready"]) == (0, True), found
    assert not [it for it in found["findings"] if it["outcome"] == "failed"]
    assert ("expected", "warning") in outcomes
    texts = [it["found"] for it in found["findings"]]
    assert "2 replicas of green passed the health check" in texts
    assert "Docker Engine 27.0.1 (API 1.44)" in texts
    assert "nginx 1.30.6" in texts
    assert "8123 is free, or used by this app's nginx" in texts
    assert "shop:2 is on this machine (it cannot be pulled: denied: requested access)" in texts
    assert any(text.startswith("flip-back is possible") for text in texts)
    assert found["plan"]["target"] == "blue"
    assert "flip-back is possible" in read("check")


def _findings(found: dict[str, Any], outcome: str) -> list[str]:
    return [it["found"] for it in found["findings"] if it["outcome"] == outcome]


def test_check_says_what_would_stop_a_release(machine: Site, tell: Tell) -> None:
    engine, images = machine.engine, machine.engine.images.copy()
    holder = engine.add("other", HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8125"}]}})
    machine.document["services"]["web"] |= {
        "image": "shop:9", "user": "5:6", "volumes": [{"type": "bind", "source": str(machine.folder), "target": "/d"}],
    }  # fmt: skip
    machine.document["x-bluegreen"]["preview"] = 8125
    machine.state.chmod(0o755)
    machine.sick.add(2)
    machine.replicas("blue")[0].state = "exited"
    try:
        code, found = tell("check")
    finally:
        machine.document["x-bluegreen"]["preview"] = 8124
        machine.state.chmod(0o700)
        machine.sick.clear()
        machine.replicas("blue")[0].state = "running"
        for key in ("user", "volumes"):
            del machine.document["services"]["web"][key]
        machine.release("shop:2")
        del engine.containers[holder.id]
        engine.images = images
    assert "findings" in found, found["error"]
    failed = _findings(found, "failed")
    assert (code, found["ready"]) == (1, False)
    for words in (
        "shop:9 is not on this machine and cannot be pulled: denied",
        f"web runs as user 5, which cannot write to {machine.folder}",
        f"{machine.state} has mode 755", "Port 127.0.0.1:8125 is held by container other",
        "GET /health of web-1 on green answered 503: sick",
    ):  # fmt: skip
        assert [it for it in failed if it.startswith(words)], (words, failed)
    assert "blue" in str([it for it in found["findings"] if it["name"] == "way back"])


def test_the_runbook_names_this_very_app(machine: Site, read: Any) -> None:
    machine.document["x-bluegreen"]["hooks"] = {"after_switch": [["notify", "it's done"]]}
    page = read("runbook")
    del machine.document["x-bluegreen"]["hooks"]
    assert "bluegreen flip-back" in page
    assert "http://localhost:8123/health" in page
    assert "when traffic has moved" in page
    assert "shop-proxy" in page


def _files(machine: Site) -> list[tuple[str, int]]:
    """All but the journal: who owns it keeps in it what a look has read of nginx's log."""
    found = (it for it in machine.state.rglob("*") if it.is_file() and not it.name.startswith("journal.db"))
    return sorted((str(it), it.stat().st_mtime_ns) for it in found)


def test_a_look_changes_nothing(machine: Site, read: Any) -> None:
    before = _files(machine)
    asked = len(machine.engine.asked)
    for words in (["status"], ["history"], ["check"], ["runbook"], ["apps"], ["logs"]):
        read(*words)
    assert _files(machine) == before
    assert {it.split()[0] for it in machine.engine.asked[asked:]} <= {"GET", "POST"}
    changing = [it for it in machine.engine.asked[asked:] if it.startswith("POST") and "exec" not in it]
    assert changing == []
