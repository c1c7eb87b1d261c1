"""What a person reads of a look: which lines there are, which facts stand in them, and which are left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bluegreen.cli import report
from bluegreen.domain.findings import Finding
from bluegreen.plans.plan import FAILURE, Plan, Step

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
LONG = "sha256:0123456789abcdef"


def _slot(color: str, release: int, **more: Any) -> dict[str, Any]:
    replicas = {"web": {"wanted": 2, "running": 2, "healthy": 2}}
    images = {name: {"ref": f"shop:{release}", "id": LONG} for name in ("web", "worker")}
    return {
        "color": color, "release": release, "images": images, "replicas": replicas, "standing": "live", "since": None,
    } | more  # fmt: skip


def _state(**more: Any) -> dict[str, Any]:
    return {
        "app": "shop", "live": _slot("green", 2), "idle": None, "urls": ["http://a/", "http://b/"],
        "preview": "127.0.0.1:8081", "set_aside": None, "drift": None, "unreached": [], "unfinished": None,
        "failover": None, "migration": None, "jobs": {}, "flip_back": "bluegreen flip-back", "no_way_back": None,
        "proxy_image": {"ref": "nginx:1.30-alpine", "newer": False}, "forward": False,
    } | more  # fmt: skip


def _status(**more: Any) -> dict[str, str]:
    """Each line of `status` by its first word."""
    lines = report.status_text(_state(**more), "bluegreen -p shop", NOW).splitlines()
    return {line.split()[0]: line for line in lines if line.strip()}


def test_a_healthy_app_has_no_line_of_trouble() -> None:
    found = _status()
    assert list(found) == ["shop", "live", "images", "idle", "back"]
    assert found["shop"].split() == ["shop", "http://a/", "http://b/"]
    assert found["live"].split() == ["live", "green", "release", "2", "web", "2/2", "healthy"]
    assert found["images"].split() == ["images", "shop:2", "(0123456789ab)"], "an image that two services run once"
    assert found["idle"].split() == ["idle", "nothing"]
    assert found["back"].split(None, 1)[1] == "bluegreen flip-back"


def test_status_names_every_trouble_and_what_to_type() -> None:
    found = _status(
        drift="nginx says\x1b blue", migration="of release 3 was cut", unfinished="switch, by process 7", live=None,
        flip_back=None, no_way_back="web-1 is gone", unreached=["8080 is\x1b silent", "8443 is cut"],
        proxy_image={"ref": "nginx:1\x1b", "newer": True},
    )  # fmt: skip
    assert "8080 is  silent; 8443 is cut: visitors do not reach nginx" in found["unreached"]
    assert "there is a newer nginx:1" in found["nginx"]
    assert found["nginx"].endswith("bluegreen -p shop up)")
    assert found["live"].split() == ["live", "none:", "bluegreen", "-p", "shop", "up"]
    assert "nginx says  blue" in found["drift"]
    assert "bluegreen -p shop up" in found["drift"]
    assert "of release 3 was cut" in found["migration"]
    assert "switch, by process 7" in found["unfinished"]
    assert "web-1 is gone" in found["back"]


def test_a_release_that_is_set_aside_and_one_that_was_left_are_said_to_be() -> None:
    idle = _slot("blue", 1, standing="prepared")
    found = _status(idle=idle, set_aside=7, forward=True)
    assert found["aside"].split()[:3] == ["aside", "release", "7,"]
    assert "forward to release 1; somebody went back from it" in found["back"]
    found = _status(idle=idle)
    assert "aside" not in found
    assert "went back" not in found["back"]
    assert "nginx" not in _status(proxy_image=None), "there is no proxy, or it cannot be told"


def test_the_idle_color_is_shown_with_its_preview() -> None:
    idle = _slot("blue", 1, standing="previous", replicas={
        "worker": {"wanted": 0, "running": 0, "healthy": 0}, "web": {"wanted": 2, "running": 2, "healthy": 1},
    })  # fmt: skip
    found = _status(idle=idle)
    assert found["idle"].split()[:5] == ["idle", "blue", "release", "1", "previous"]
    assert "worker is on standby" in found["idle"]
    assert "web 1/2 healthy, 2 running" in found["idle"]
    assert "http://127.0.0.1:8081/" in found["preview"]
    assert "preview" not in _status(idle=idle, preview=None)
    idle["replicas"] = {"worker": {"wanted": 0, "running": 1, "healthy": 1}}
    assert "worker 1 running, 0 wanted" in _status(idle=idle)["idle"], "a job that must not run there"


@pytest.mark.parametrize(
    ("failover", "words"),
    [
        (None, None), ({"color": None, "serving": False}, None),
        ({"color": "blue", "serving": True}, "blue answers now"),
        ({"color": "blue", "serving": False}, "blue answers when"),
    ],
)  # fmt: skip
def test_whether_failover_is_at_work(failover: Any, words: str | None) -> None:
    line = _status(failover=failover).get("failover")
    assert (line is None) if words is None else (line is not None and words in line)


def test_a_job_that_runs_has_nothing_more_to_say() -> None:
    job = {"wanted": 1, "running": 1, "restarts": 0, "failing": []}
    line = _status(jobs={"a": job, "b": job | {"restarts": 2, "failing": ["b-1 is dead", "b-2 is gone"]}})["jobs"]
    first, second = line.split(None, 1)[1].split("; ")
    assert first == "a 1/1 running"
    assert "2 restarts" in second
    assert "b-1 is dead, b-2 is gone" in second


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-11-03T11:59:01+00:00", "59 s"), ("2026-11-03T11:59:00+00:00", "1 min"),
        ("2026-11-03T11:00:01+00:00", "59 min"), ("2026-11-03T11:00:00+00:00", "1 h"),
        ("2026-11-02T12:00:01+00:00", "23 h"), ("2026-11-02T12:00:00+00:00", "1 d"),
        ("2026-10-30T09:00:00+00:00", "4 d"), ("2026-11-03T12:00:09+00:00", "0 s"), ("a while\x07", "a while "),
    ],
)  # fmt: skip
def test_how_long_ago(moment: str, words: str) -> None:
    line = _status(live=_slot("green", 2, since=moment))["live"]
    assert f"  {words}" in line.replace("  for ", "  ")


# -- expect


def test_each_recorded_request_is_shown_with_what_differs() -> None:
    same, other = (
        {"request": "GET /a", "differences": []},
        {"request": "GET /b", "differences": ["status: 200, not 500"]},
    )
    shown = {"color": "blue", "release": 4, "answers": [same, other, other]}
    lines = report.expected_text(shown).splitlines()
    assert [line.rsplit(None, 2)[0] for line in lines if "GET" in line] == ["as recorded", "differs", "differs"]
    assert [line.strip() for line in lines].count("status: 200, not 500") == 2
    assert lines[-1] == "blue, release 4: 2 of 3 differ"
    assert report.expected_text(shown | {"answers": [same]}).splitlines()[-1].startswith("blue, release 4: all 1")


def test_what_was_recorded_is_to_be_read() -> None:
    text = report.recorded_text({"recorded": ["GET /a", "GET /b"], "file": "/srv/e.yaml", "all": 7}, "bluegreen -p x")
    assert "GET /a, GET /b in /srv/e.yaml (7 in all)" in text
    assert text.splitlines()[-1].endswith("bluegreen -p x expect")


# -- check


FINDINGS = [
    Finding("disk", "ok", "12 GB free", "room", "it must fit", "docker system df"),
    Finding("proxy", "failed", "nginx 1.20", "1.27.4", "", "a newer one"),
    Finding("shared", "warning", "db has restart: no", "restart: always"),
    Finding("image", "unknown", "no registry"),
]


def test_check_says_what_to_do_about_what_is_not_well_and_only_that() -> None:
    lines = report.findings_text(FINDINGS, None, ready=False).splitlines()
    assert [line.split()[0] for line in lines if line[:1].strip()][:4] == ["ok", "FAILED", "warning", "unknown"]
    about = [line.split(None, 1) for line in lines if line.startswith(" ")]
    assert about == [["expected", "1.27.4"], ["fix", "a newer one"], ["expected", "restart: always"]]
    assert [word for word in lines[-2].replace(",", "").split() if word.isdecimal()] == ["1", "1", "1"]


def test_check_ends_with_whether_a_release_may_be_made() -> None:
    yes, no = (report.findings_text(FINDINGS, None, ready).splitlines()[-1] for ready in (True, False))
    assert yes != no
    assert "not" in no.lower()
    assert "not" not in yes.lower()


def test_check_shows_what_a_failing_step_of_the_next_switch_would_mean() -> None:
    steps = (Step("prepare", "image", "x"), Step("prepare", "create", "x"), Step("cutover", "route", "x"))
    text = report.findings_text(FINDINGS, Plan("switch", "blue", 3, steps), ready=True)
    assert text.index(FAILURE["prepare"]) < text.index("(image, create)") < text.index("(route)")
    assert FAILURE["cutover"] in text
    assert FAILURE["settle"] not in text, "the plan has no such step"
    assert FAILURE["prepare"] not in report.findings_text(FINDINGS, None, ready=True)


def test_a_plan_is_shown_with_its_notices() -> None:
    plan = Plan("down", None, None, (Step("end", "stop", "2 containers\x1b"),))
    lines = report.plan_text(plan, ("first\n", "second")).splitlines()
    assert lines[0] == "down"
    assert [line for line in lines if line.startswith("Note: ")] == ["Note: first ", "Note: second"]
    assert "\x1b" not in "".join(lines)
    assert "Note" not in report.plan_text(plan, ())
