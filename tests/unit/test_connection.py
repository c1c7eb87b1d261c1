"""Which Engine a command talks to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bluegreen.errors import BluegreenError
from bluegreen.places.docker.connection import DEFAULT, engine_address, refuse_rootless


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of the Docker CLI with two contexts, as `docker context create` writes them."""
    for name, host in (("elsewhere", "unix:///run/other.sock"), ("remote", "ssh://me@shop.example.com")):
        from docker.context.config import get_context_id

        folder = tmp_path / "contexts" / "meta" / get_context_id(name)
        folder.mkdir(parents=True)
        endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
        (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "elsewhere"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def test_without_any_word_it_is_the_socket_of_this_machine(tmp_path: Path) -> None:
    assert engine_address({"DOCKER_CONFIG": str(tmp_path)}) == DEFAULT


def test_docker_host_wins_then_docker_context_then_the_current_context(contexts: Path) -> None:
    folder = {"DOCKER_CONFIG": str(contexts)}
    assert engine_address(folder) == "unix:///run/other.sock"
    assert engine_address({**folder, "DOCKER_CONTEXT": "default"}) == DEFAULT
    assert engine_address({**folder, "DOCKER_HOST": "unix:///a.sock", "DOCKER_CONTEXT": "remote"}) == "unix:///a.sock"


@pytest.mark.parametrize(
    ("variables", "failed"),
    [
        ({"DOCKER_HOST": "tcp://10.0.0.1:2376"}, "DOCKER_HOST is tcp://10.0.0.1:2376"),
        ({"DOCKER_HOST": "ssh://shop"}, "DOCKER_HOST is ssh://shop"),
        ({"DOCKER_CONTEXT": "remote"}, "the Docker context remote is ssh://me@shop.example.com"),
    ],
)
def test_an_engine_elsewhere_is_refused_in_one_sentence(contexts: Path, variables: dict[str, str], failed: str) -> None:
    with pytest.raises(BluegreenError) as error:
        engine_address({"DOCKER_CONFIG": str(contexts), **variables})
    assert str(error.value).startswith("bluegreen runs on the machine of its Engine")
    assert error.value.failed == failed


def test_a_context_that_is_not_there_is_named(contexts: Path) -> None:
    with pytest.raises(BluegreenError, match="There is no Docker context nowhere"):
        engine_address({"DOCKER_CONFIG": str(contexts), "DOCKER_CONTEXT": "nowhere"})


def test_a_rootless_engine_is_refused_in_one_sentence() -> None:
    refuse_rootless({"SecurityOptions": ["name=seccomp,profile=default", "name=cgroupns"]})
    with pytest.raises(BluegreenError, match="A rootless Engine is not supported"):
        refuse_rootless({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]})


def test_an_engine_that_maps_users_is_refused_by_name() -> None:
    with pytest.raises(BluegreenError, match="userns-remap is not supported"):
        refuse_rootless({"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]})


def test_a_context_is_found_without_a_config_beside_it(tmp_path: Path) -> None:
    """As `docker context ls` does: DOCKER_CONTEXT names it, and there is no config.json."""
    folder = tmp_path / "contexts" / "meta" / hashlib.sha256(b"work").hexdigest()
    folder.mkdir(parents=True)
    environment = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "work"}
    meta = folder / "meta.json"
    meta.write_text(json.dumps({"Name": "work", "Endpoints": {"docker": {"Host": "unix:///run/work.sock"}}}))
    assert engine_address(environment) == "unix:///run/work.sock"
    meta.write_text(json.dumps({"Name": "work", "Endpoints": {"docker": {"Host": "ssh://elsewhere"}}}))
    with pytest.raises(BluegreenError, match="on the machine of its Engine"):
        engine_address(environment)
    for broken in ("", "[]", "{}", '{"Endpoints": []}', "\xff"):
        meta.write_text(broken, encoding="latin-1")
        with pytest.raises(BluegreenError, match="There is no Docker context work"):
            engine_address(environment)
