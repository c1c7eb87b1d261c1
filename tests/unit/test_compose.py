"""How Compose is found, asked and listened to: a program of that name, and what it was called with."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose import found as found_here
from bluegreen.compose.edit import add_block
from bluegreen.compose.options import Options, env_files, files, find_file
from bluegreen.compose.run import Compose
from bluegreen.domain.words import COMPOSE_FILES
from bluegreen.errors import BluegreenError, ExitCode
from tests.fakes.site import Site, Tell


def _with(shop: Site, **document: Any) -> Compose:
    (shop.folder / "document.json").write_text(json.dumps(document))
    return Compose(Options())


@pytest.mark.parametrize(
    ("version", "found"),
    [("2.20.0", "2.20.0"), ("v2.30.1-desktop.1", "2.30.1"), ("10.0.0", "10.0.0"), ("2.19.9", None), ("dev", None)],
)
def test_compose_has_to_be_new_enough(
    shop: Site, monkeypatch: pytest.MonkeyPatch, version: str, found: str | None
) -> None:
    monkeypatch.setattr(found_here.sys, "executable", "/nowhere/python")  # type: ignore[attr-defined]  # beside it
    monkeypatch.setenv("PATH", f"{shop.folder}/bin:/usr/bin:/bin")
    (shop.folder / "version").write_text(version)
    if found:
        assert (Compose(Options()).version(), Compose(Options()).command()) == (found, ["docker", "compose"])
        return
    with pytest.raises(BluegreenError) as error:
        Compose(Options()).version()
    assert error.value.summary == (
        "Docker Compose is too old." if version == "2.19.9" else "Docker Compose is missing."
    )
    assert error.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(("version", "made"), [("4.9.9", False), ("5.0.0", None), ("5.1.0", None)])
def test_older_composes_leave_out_that_a_folder_is_not_to_be_made(shop: Site, version: str, made: bool | None) -> None:
    (shop.folder / "version").write_text(version)
    mounts = [{"type": "bind", "bind": {}}, {"type": "bind", "bind": {"create_host_path": True}}, {"type": "volume"}]
    found = _with(shop, services={"web": {"volumes": mounts}, "db": {}}).resolve(shop.project)
    first, second, third = found["services"]["web"]["volumes"]
    assert (first["bind"].get("create_host_path"), second["bind"]["create_host_path"]) == (made, True)
    assert "bind" not in third


def test_what_compose_warns_of_is_kept_once(shop: Site) -> None:
    words = 'time="x" level=warning msg="The \\"A\\" variable is not set."\n'
    (shop.folder / "warnings").write_text(words * 2 + "other\n")
    found = _with(shop, services={"web": {"command": "$$HOME"}})
    assert found.resolve(shop.project) == {"services": {"web": {"command": "$HOME"}}}
    assert found.warnings == ('The "A" variable is not set.',)


def test_a_file_that_compose_cannot_read_is_said_in_its_words(shop: Site) -> None:
    (shop.folder / "code").write_text("15")
    (shop.folder / "warnings").write_text('level=warning msg="x"\nyaml: line 3: no\nlevel=warning msg="y"\n\n')
    with pytest.raises(BluegreenError) as error:
        _with(shop).resolve(shop.project)
    assert (error.value.failed, error.value.exit_code) == ("yaml: line 3: no", ExitCode.USAGE)
    (shop.folder / "code").write_text("0")
    (shop.folder / "document.json").write_text("[]")
    with pytest.raises(BluegreenError, match="did not print the resolved file as JSON"):
        Compose(Options()).resolve(shop.project)


def test_variables_are_asked_of_compose_itself(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BG_SET", "value")
    monkeypatch.setenv("BG_EMPTY", "")
    monkeypatch.setenv("a.b", "odd")
    monkeypatch.delenv("BG_NOT", raising=False)
    found = Compose(Options(env_files=("x.env",))).variables(["BG_SET", "BG_EMPTY", "BG_NOT", "a.b"], shop.project)
    assert found == {"BG_SET": "value", "BG_EMPTY": "", "BG_NOT": None, "a.b": "odd"}
    assert f"--project-directory {shop.project} --env-file x.env config" in shop.asked_of_compose[-1]
    asked = len(shop.asked_of_compose)
    assert Compose(Options()).variables(["a.b"], shop.project) == {"a.b": "odd"}
    assert len(shop.asked_of_compose) == asked
    (shop.folder / "raw.json").write_text('{"a": "${BG_SET:-x} $BG_NOT $$BG_EMPTY ${BG_EMPTY}"}')
    one = Compose(Options())
    assert one.interpolated(shop.project) == {"BG_SET": "value", "BG_EMPTY": ""}
    asked = len(shop.asked_of_compose)
    one.interpolated(shop.project)
    assert len(shop.asked_of_compose) == asked, "once for each command"


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_contents_from_the_environment_are_filled_in(shop: Site, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("BG_KEY", "s3cr3t")
    document = {"a": {"environment": "BG_KEY"}, "b": {"file": "/x"}, "c": {"environment": "BG_KEY", "content": "given"}}
    found = _with(shop, **{kind: document}).resolve(shop.project)[kind]
    assert [it.get("content") for it in found.values()] == ["s3cr3t", None, "given"]
    monkeypatch.delenv("BG_KEY")
    with pytest.raises(BluegreenError, match="BG_KEY is not set") as error:
        _with(shop, **{kind: document}).resolve(shop.project)
    assert error.value.failed == f"{kind}.a takes its content from it"


def test_what_compose_says_is_passed_on_and_its_failure_is_an_error(shop: Site) -> None:
    told: list[str] = []
    one = Compose(Options(files=("a.yaml",), project_name="shop"))
    one.up(["db", "cache"], told.append)
    assert told[0].endswith("--progress plain up --detach --no-deps db cache")
    assert "--file a.yaml --project-name shop" in told[0]
    one.down(False, told.append)
    assert told[-1].endswith(" down")
    one.build("web", True, told.append)
    assert told[-1].endswith("--profile * build --pull web")
    (shop.folder / "code").write_text("3")
    with pytest.raises(BluegreenError, match="The image of web was not built") as error:
        one.build("web", False, told.append)
    assert error.value.failed.endswith("build web")
    assert error.value.lines == [told[-1]]

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.up(["db"], interrupted)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"services:\n  web: {}\n", b"services:\n  web: {}\n\nx-bluegreen: 1\n"),
        (b"services: {}", b"services: {}\n\nx-bluegreen: 1\n"),
        (b"services: {}\r\n", b"services: {}\r\n\r\nx-bluegreen: 1\r\n"),
        (b"  services : {}\n", b"  services : {}\n\n  x-bluegreen: 1\n"),
    ],
)  # fmt: skip
def test_a_block_is_added_at_the_end_and_nothing_else_changes(shop: Site, before: bytes, after: bytes) -> None:
    file = shop.project / "compose.yaml"
    file.write_bytes(before)
    file.chmod(0o640)
    one = _with(shop, services={})
    (shop.folder / "with_block.json").write_text(json.dumps({"services": {}, "x-bluegreen": 1}))
    add_block(one, file, lambda indent: f"{indent}x-bluegreen: 1\n", shop.project)
    assert file.read_bytes() == after
    assert file.stat().st_mode & 0o777 == 0o640
    assert [it.name for it in shop.project.iterdir()] == ["compose.yaml"]


@pytest.mark.parametrize("read", [{"services": {}}, {"services": {"other": {}}, "x-bluegreen": 1}])
def test_a_block_that_changes_more_is_taken_back(shop: Site, read: dict[str, Any]) -> None:
    file = shop.project / "compose.yaml"
    one = _with(shop, services={})
    (shop.folder / "with_block.json").write_text(json.dumps(read))
    with pytest.raises(BluegreenError, match="cannot be added at the end"):
        add_block(one, file, lambda _: "x-bluegreen: 1\n", shop.project)
    assert file.read_text() == "services: {}\n"


def test_the_command_that_goes_on_with_plain_compose(shop: Site) -> None:
    assert Compose(Options()).plain_command({}, ["web"]) == ""
    found = Compose(Options(env_files=("e",)), lambda: shop.folder).plain_command({"a": 1}, ["web", "db"])
    assert found == (f"docker compose --file compose.yaml --file {shop.folder}/plain.yaml --env-file e up -d web db")
    assert json.loads((shop.folder / "plain.yaml").read_text()) == {"a": 1}
    inside = Compose(Options(), lambda: shop.project).plain_command({}, ["web"])
    assert inside == "docker compose --file compose.yaml --file plain.yaml up -d web"


# -- which files

OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)


@pytest.mark.parametrize("base", COMPOSE_FILES)
@pytest.mark.parametrize("first", range(len(OVERRIDES)))
def test_the_override_is_the_one_that_compose_takes(tmp_path: Path, base: str, first: int) -> None:
    """Compared with Compose itself in tests/e2e/test_reading_the_stack.py."""
    for name in (base, *OVERRIDES[first:]):
        (tmp_path / name).touch()
    assert files(Options(), tmp_path, {}) == [base, OVERRIDES[first]]


@pytest.mark.parametrize(
    ("options", "variables", "read"),
    [
        (Options(), {}, ["deep/.env", ".env"]),
        (Options(), {"COMPOSE_FILE": "deep/x.yaml"}, ["deep/.env", ".env"]),
        (Options(files=("deep/x.yaml",)), {}, ["deep/.env"]),
        (Options(project_directory="deep"), {"COMPOSE_FILE": "x.yaml"}, ["deep/.env"]),
        (Options(), {"COMPOSE_DISABLE_ENV_FILE": "true"}, []),
        (Options(), {"COMPOSE_ENV_FILES": "a.env,b.env"}, ["a.env", "b.env"]),
        (Options(env_files=("c.env",)), {"COMPOSE_ENV_FILES": "a.env"}, ["c.env"]),
    ],
)
def test_the_env_files_are_those_that_compose_reads(
    tmp_path: Path, options: Options, variables: dict[str, str], read: list[str]
) -> None:
    (tmp_path / "deep").mkdir()
    for name in (".env", "deep/.env"):
        (tmp_path / name).touch()
    found = env_files(options, tmp_path, f"{tmp_path}/deep", variables)
    assert [os.path.relpath(it, tmp_path) if it.startswith("/") else it for it in found] == read


def test_an_env_file_names_the_compose_file(shop: Site, tell: Tell) -> None:
    (shop.project / "compose.yaml").unlink()
    (shop.project / "deploy").mkdir()
    for name in ("prod.yaml", "more.yaml"):
        (shop.project / "deploy" / name).write_text("services: {}\n")
    (shop.project / ".env").write_text("COMPOSE_FILE='deploy/prod.yaml,deploy/more.yaml'\nCOMPOSE_PATH_SEPARATOR=,\n")
    assert tell("up")[0] == 0
    record = json.loads((shop.state / "project.json").read_text())
    assert record["folder"] == f"{shop.project}/deploy"
    shop.release("shop:2")
    assert tell("switch")[1]["outcome"] == "switched"
    code, found = tell("down", "--yes")
    assert code == 0
    words = shlex.split(found["next"])
    assert words[words.index("--file") :][:4] == ["--file", "deploy/prod.yaml", "--file", "deploy/more.yaml"]
    assert words[words.index("--env-file") + 1] == str(shop.project / ".env"), "with -f Compose would not find it"


@pytest.mark.parametrize(
    ("said", "started"),
    [
        ("", False),
        ("COMPOSE_PROFILES=other,extra", True),
        ("COMPOSE_PROFILES='*'", True),
        ("COMPOSE_PROFILES=no", False),
    ],
)
def test_an_env_file_names_the_profiles(shop: Site, tell: Tell, said: str, started: bool) -> None:
    shop.document["services"]["cache"] = {"image": "valkey", "profiles": ["extra"]}
    (shop.project / ".env").write_text(f"OTHER=1\n{said}\n")
    assert tell("up")[0] == 0
    (up,) = [line for line in shop.asked_of_compose if " up --detach " in line]
    assert ("cache" in up) == started


@pytest.mark.parametrize("variable", ["DOCKER_CONFIG", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH"])
def test_every_call_of_compose_has_what_docker_finds_it_by(
    shop: Site, tell: Tell, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    program = shop.folder / "bin" / "docker"
    guard = f'[ "${variable}" = "$HOME/here" ] && [ -z "$COMPOSE_PROFILES$COMPOSE_FILE" ] || exit 1'
    needed = f'case "$*" in *proxy.yaml*) {guard} ;; esac\n[ "${variable}" = "$HOME/here" ] || exit 1'
    program.write_text(program.read_text().replace("#!/bin/sh", f"#!/bin/sh\n{needed}"))
    monkeypatch.setenv(variable, f"{shop.folder}/here")
    monkeypatch.setenv("COMPOSE_PROFILES", "release")
    monkeypatch.setenv("COMPOSE_FILE", "compose.yaml")
    code, found = tell("up")
    assert code == 0, found
    assert tell("check")[0] == 0


def test_compose_is_asked_of_its_variables_only_when_an_env_file_has_one(shop: Site, tell: Tell) -> None:
    def asked() -> int:
        (shop.folder / "compose.log").write_text("")
        tell("check")
        return len([line for line in shop.asked_of_compose if "--file -" in line])

    (shop.project / ".env").write_text("TAG=1\nCOMPOSE_PROJECT_NAME=shop\n")
    before = asked()
    (shop.project / ".env").write_text("COMPOSE_FILE=compose.yaml\n")
    assert asked() == before + 1


@pytest.mark.parametrize(
    ("options", "variables", "found"),
    [
        (Options(), {}, "/compose.yaml"), (Options(files=("x.yaml", "y.yaml")), {}, "/deep/x.yaml"),
        (Options(), {"COMPOSE_FILE": "a.yaml:b.yaml"}, "/deep/a.yaml"),
        (Options(), {"COMPOSE_FILE": "a.yaml,b.yaml", "COMPOSE_PATH_SEPARATOR": ","}, "/deep/a.yaml"),
        (Options(files=("x.yaml",)), {"COMPOSE_FILE": "a.yaml"}, "/deep/x.yaml"),
    ],
)  # fmt: skip
def test_the_file_is_where_compose_looks(
    tmp_path: Path, options: Options, variables: dict[str, str], found: str
) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("compose.yaml", "docker-compose.yml"):
        (tmp_path / name).touch()
    assert find_file(options, tmp_path / "deep", variables) == Path(f"{tmp_path}{found}")


def test_all_files_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files(Options(), tmp_path, {}) == []
    assert find_file(Options(project_directory="none"), tmp_path, {}) is None
    (tmp_path / "compose.yaml").touch()
    assert files(Options(), tmp_path, {}) == ["compose.yaml"]
    for name in ("compose.override.yml", "compose.override.yaml"):
        (tmp_path / name).touch()
    assert files(Options(), tmp_path, {}) == ["compose.yaml", "compose.override.yml"]
    assert files(Options(files=("b", "a")), tmp_path, {"COMPOSE_FILE": "c"}) == ["b", "a"]
    assert files(Options(), tmp_path, {"COMPOSE_FILE": f"c{os.pathsep}d"}) == ["c", "d"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "compose.yml").touch()
    assert find_file(Options(project_directory="in"), tmp_path, {}) == Path("in/compose.yml")
    shown = Options(("a b",), "p", ("e",), "d")
    assert shown.shown() == " -f 'a b' -p p --env-file e --project-directory d"
    assert shown.arguments() == [
        "--file", "a b", "--project-name", "p", "--env-file", "e", "--project-directory", "d",
    ]  # fmt: skip
    assert (Options().shown(), Options().arguments()) == ("", [])
