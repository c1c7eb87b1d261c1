"""What a person reads."""

from __future__ import annotations

from datetime import UTC, datetime

from bluegreen.cli.report import status_text
from bluegreen.cli.text import error_text, result_text
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Result

NOW = datetime(2026, 11, 1, 10, 5, tzinfo=UTC)


def test_an_error_has_its_fields_in_order_and_then_its_lines() -> None:
    error = BluegreenError(
        "green did not become healthy in 60 s.", failed="GET /health answered 503", expected="200, 3 in a row",
        traffic="blue, release 41 (unchanged)", retry="safe", next="bluegreen logs green", lines=["web-1  boom"],
    )  # fmt: skip
    assert error_text(error).splitlines() == [
        "Error: green did not become healthy in 60 s.",
        "  failed    GET /health answered 503",
        "  expected  200, 3 in a row",
        "  traffic   blue, release 41 (unchanged)",
        "  retry     safe",
        "  next      bluegreen logs green",
        "",
        "  | web-1  boom",
    ]


def test_no_escape_sequence_of_others_reaches_the_terminal() -> None:
    text = error_text(BluegreenError("a\x1b[2Jb", failed="c\x07\nd", lines=["\x1b]0;x\x07"]))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_result_says_where_traffic_is_and_what_to_type_next() -> None:
    result = Result("switch", "switched", {"color": "green", "release": 8}, {"color": "blue", "release": 7})
    assert result_text(result.as_dict(), "bluegreen -f x.yaml", None).splitlines() == [
        "Switched: live is green, release 8.",
        "To go back to release 7: bluegreen -f x.yaml flip-back",
    ]


def test_status_shows_both_colors_drift_and_the_way_back() -> None:
    slot = {
        "color": "blue", "release": 7, "images": {"web": {"ref": "shop:7", "id": "sha256:" + "a" * 64}},
        "replicas": {
            "web": {"wanted": 2, "running": 2, "healthy": 1},
            "worker": {"wanted": 1, "running": 1, "healthy": 1},
        },
        "since": "2026-11-01T10:00:00+00:00", "standing": "live",
    }  # fmt: skip
    text = status_text(
        {
            "app": "shop", "live": slot, "idle": None, "urls": ["http://localhost/"], "preview": None,
            "drift": "nginx answers green, the file says blue", "unfinished": None, "failover": None,
            "proxy_image": None,
            "migration": None, "flip_back": None,
            "jobs": {"worker": {"wanted": 1, "running": 0, "restarts": 3,
                                "failing": ["worker-1 is restarting, exit code 7"]}},
            "no_way_back": "nothing that has served traffic is kept there",
        },
        "bluegreen", NOW,
    )  # fmt: skip
    assert "live   blue   release 7  for 5 min  web 1/2 healthy, 2 running, worker 1/1 healthy" in text
    assert "shop:7 (aaaaaaaaaaaa)" in text
    assert "drift       nginx answers green, the file says blue (repair it: bluegreen up)" in text
    assert "jobs        worker 0/1 running, 3 restarts, FAILING: worker-1 is restarting, exit code 7" in text
    assert "back        none: nothing that has served traffic is kept there" in text
