"""What a build context takes in that it should not: on real folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from bluegreen.places.docker.contexts import notices


def _said(folder: Path, **build: str) -> list[str]:
    return list(notices({"web": {"build": {"context": str(folder), **build}}}, ["web"]))


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".env").write_text("PASSWORD=x\n")
    return tmp_path


def test_without_a_dockerignore_everything_is_taken_in(context: Path) -> None:
    (said,) = _said(context)
    assert "takes in .git and .env, because there is no .dockerignore" in said
    (context / ".env").unlink()
    (context / ".git").rmdir()
    (said,) = _said(context)
    assert "has no .dockerignore" in said


@pytest.mark.parametrize(
    ("ignore", "taken"),
    [
        (".git\n.env\n", ""), (".*\n", ""), ("*\n!app\n", ""), ("# a word\n\n.git\n", ".env"),
        (".git\n.env\n!.env\n", ".env"), ("**/.git\n**/.env\n", ""), ("/.git\n/.env\n", ""),
        ("node_modules\n", ".git and .env"),
    ],
)  # fmt: skip
def test_a_dockerignore_is_read_as_the_engine_reads_it(context: Path, ignore: str, taken: str) -> None:
    (context / ".dockerignore").write_text(ignore)
    said = _said(context)
    assert [words.split(" takes in ")[1].split(":")[0] for words in said] == ([taken] if taken else [])


def test_a_dockerfile_may_have_an_ignore_file_of_its_own(context: Path) -> None:
    (context / ".dockerignore").write_text("node_modules\n")
    (context / "web.Dockerfile.dockerignore").write_text(".git\n.env\n")
    assert _said(context, dockerfile="web.Dockerfile") == []
    assert len(_said(context)) == 1


def test_one_context_is_named_once_and_an_address_never(context: Path) -> None:
    build = {"context": str(context)}
    services = {
        "web": {"build": build},
        "api": {"build": build},
        "far": {"build": {"context": "https://example.com/x.git"}},
    }
    assert len(list(notices(services, list(services)))) == 1
    assert list(notices({"web": {"image": "x"}}, ["web"])) == []


def test_a_pattern_that_is_none_is_the_builders_to_complain_about(context: Path) -> None:
    for pattern in ("[", "[z-a]", "***", "a[", "\\"):
        (context / ".dockerignore").write_text(f"{pattern}\n")
        assert isinstance(_said(context), list), pattern
