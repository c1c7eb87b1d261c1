"""What people write into Compose files and options reaches the container as it is, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Make
from tests.support.files import LEAN
from tests.support.machine import docker
from tests.support.project import Project

HOSTILE = (
    "$HOME", "${HOME:-x}", "$(id)", "`id`", "{{ 7 * 7 }}", "{% raw %}", "a;b", "}", "a\nb", "a\tb", "'", '"', "\\",
    "\\n", "é\u202e\u2066", "#", "%s %(x)s", "\x1b[31mred", "&& rm -rf /", "*", "~", " ", "", "a=b=c", "-x",
    "--privileged", "0x10", "yes", "null", "1e3", "٣", "\u2028", "😀",
)  # fmt: skip
IMAGES = (
    "a b", "$(id)", "-x", "--privileged", "a;b", "UPPER/Case", "x:y:z", "a\nb", "../../etc/passwd", "@sha256:1", ":",
    "a@b@c", "\x1b[31m", "é", "x" * 300,
)  # fmt: skip


def test_values_reach_the_container_as_they_are(make_project: Make) -> None:
    project = make_project(LEAN)
    values = {f"V{number}": value for number, value in enumerate(HOSTILE)}
    service = {
        "environment": {**{key: _written(value) for key, value in values.items()}, "GREETING": "hello"},
        "labels": {f"bgt.{key.lower()}": _written(value) for key, value in values.items()},
        "command": ["python3", "/srv/server.py", *map(_written, HOSTILE)],
    }
    # JSON is YAML, and json.dumps leaves no doubt about what was written.
    (project.folder / "more.yaml").write_text(json.dumps({"services": {"web": service}}, ensure_ascii=False))
    project.command = (*project.command, "-f", "compose.yaml", "-f", "more.yaml")
    done = project.ok("up")
    found = json.loads(docker("inspect", f"{project.name}-blue-web-1"))[0]["Config"]
    environment = dict(entry.split("=", 1) for entry in found["Env"])
    assert {key: environment[key] for key in values} == values
    assert {key: found["Labels"][f"bgt.{key.lower()}"] for key in values} == values
    assert found["Cmd"][2:] == list(HOSTILE)
    assert project.color() == "blue"
    text = (project.state / "nginx" / "nginx.conf").read_text()
    assert "rm -rf" not in text
    assert "\x1b" not in done.err + done.out + project.ok("status").out + project.ok("up", "--dry-run").out


def _written(value: str) -> str:
    return value.replace("$", "$$")


@pytest.mark.long
def test_an_image_name_is_a_name_or_an_error(lean: Project) -> None:
    lean.ok("up")
    for image in IMAGES:
        done = lean.run("switch", "--image", f"web={image}")
        assert done.code in (1, 2), (image, done)
        assert "Traceback" not in done.err
        assert "bug" not in done.err, (image, done)
        assert all(char.isprintable() or char == "\n" for char in done.err), (image, done.err)
    assert lean.color() == "blue"


@pytest.mark.parametrize("option", [("-p", "a b"), ("-p", "$(id)"), ("-f", "\x1b[31m.yaml"), ("--env-file", "nowhere")])
def test_global_options_are_passed_on_as_arguments(lean: Project, option: tuple[str, str]) -> None:
    done = lean.run(*option, "up")
    assert done.code == 2, done
    assert "\n  next" in done.err
    assert all(char.isprintable() or char == "\n" for char in done.err), done.err
