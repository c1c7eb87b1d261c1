"""From Compose's document to a stack."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.release.errors import BluegreenError, ExitCode
from bluegreen.release.stack import make_stack

DOCUMENT: dict[str, Any] = {
    "name": "shop",
    "x-bluegreen": {"service": "web", "port": 8000},
    "services": {
        "web": {"image": "shop", "profiles": ["release"], "ports": [{"target": 8000, "published": "80"}]},
        "redis": {"image": "redis"},
        "debug": {"image": "debug", "profiles": ["debug"]},
    },
}


def test_shared_services_are_those_that_plain_compose_would_start() -> None:
    assert make_stack(DOCUMENT, "/srv", [], lambda *_: []).shared == ("redis",)
    assert make_stack(DOCUMENT, "/srv", ["debug"], lambda *_: []).shared == ("redis", "debug")


def test_what_is_dropped_is_said() -> None:
    (notice,) = make_stack(DOCUMENT, "/srv", [], lambda *_: []).notices
    assert notice.startswith("web: port 80 is not published by its containers")
    bare = {**DOCUMENT, "services": {"web": {"image": "shop"}}}
    (notice,) = make_stack(bare, "/srv", [], lambda *_: []).notices
    assert "web has no profile" in notice


@pytest.mark.parametrize(
    ("document", "refused", "line"),
    [
        (
            {key: value for key, value in DOCUMENT.items() if key != "x-bluegreen"},
            [],
            "add to the top level:  x-bluegreen:",
        ),
        ({**DOCUMENT, "x-bluegreen": {"service": "wbe", "port": 1}}, [], "x-bluegreen.service: found wbe"),
        (DOCUMENT, [("services.web.container_name", "two colors")], "services.web.container_name: two colors"),
    ],
    ids=["no block", "bad block", "refused key"],
)
def test_everything_wrong_with_the_file_is_exit_2_with_every_problem(document: Any, refused: Any, line: str) -> None:
    with pytest.raises(BluegreenError) as error:
        make_stack(document, "/srv", [], lambda *_: refused)
    assert error.value.exit_code == ExitCode.USAGE
    assert any(found.startswith(line) for found in error.value.lines), error.value.lines
