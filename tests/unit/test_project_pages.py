"""Pages for those who work on bluegreen: what they name is there, and what machines read of them is valid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from bluegreen import __version__
from bluegreen.cli.main import VERBS
from tests.support.machine import ROOT

GITHUB = ROOT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "RELEASING.md", ".github/pull_request_template.md")]
PARTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
HEADINGS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
WHERE = ("", "bluegreen", "tests", "tests/unit")  # what a page may leave out before a path
MADE = ("dist",)  # not in the repository


def _there(name: str) -> bool:
    found = [base for base in WHERE if list((ROOT / base).glob(name.rstrip("/")))]
    return bool(found) or name.partition("/")[0] in MADE


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:[\w.*-]+/)+(?:[\w.*-]+)?|[\w*-]+\.(?:py|md|toml|lock|j2|yaml))`", page.read_text())
    assert named
    assert [name for name in named if not _there(name)] == []


@pytest.mark.parametrize("name", ["bluegreen/nothing/", "tests/unit/test_nothing.py", "flow/nothing.py", "NOTHING.md"])
def test_one_that_is_not_there_is_found(name: str) -> None:
    assert not _there(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_target_and_verb_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"(?:`|^ +)make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS
    assert set(re.findall(r"(?:`|^ +)bluegreen ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE)) <= set(VERBS)


def test_every_module_that_a_page_runs_is_there() -> None:
    for page in PAGES:
        for name in re.findall(r"python -m (tests[\w.]+)", page.read_text()):
            path = ROOT / name.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(form: Path) -> None:
    """As far as GitHub says what it takes: name, description, body; parts with a kind, an id and a label."""
    found = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= found.keys() <= {"name", "description", "body", "labels", "title"}
    ids = [part["id"] for part in found["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    for part in found["body"]:
        assert part["type"] in PARTS
        assert part.keys() <= {"type", "id", "attributes", "validations"}
        assert part["attributes"]["value" if part["type"] == "markdown" else "label"]
        assert isinstance(part.get("validations", {}).get("required", False), bool)


def test_every_yaml_file_of_github_is_valid() -> None:
    files = [path for path in GITHUB.rglob("*") if path.suffix in (".yml", ".yaml")]
    assert {"bug", "question", "feature"} <= {path.stem for path in FORMS}
    for path in files:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path


def test_a_bug_report_asks_for_what_is_needed_and_warns_of_secrets() -> None:
    text = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    for words in (
        "bluegreen --version",
        "bluegreen status --json",
        "bluegreen-bug-",
        "docker version",
        "compose version",
    ):
        assert words in text
    parts = {part.get("id"): part for part in yaml.safe_load(text)["body"]}
    assert parts["secrets"]["attributes"]["options"][0]["required"] is True
    assert "passwords, tokens" in parts[None]["attributes"]["value"]


def test_the_changelog_keeps_its_form_and_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert sections[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", it) for it in sections[1:]), sections
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= HEADINGS
    assert not sections[1:] or sections[1].startswith(f"[{__version__}]")


def test_the_package_says_nothing_of_itself_that_is_not_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "urls" not in project, "there is no public address yet"
    assert len(project["keywords"]) == len(set(project["keywords"]))
    assert "Private ::" not in " ".join(project["classifiers"])
