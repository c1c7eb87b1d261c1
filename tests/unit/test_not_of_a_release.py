"""What no release holds: code that is mounted, labels by which another proxy finds both colors. And what is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bluegreen.domain import findings, labelled
from bluegreen.domain.sources import mounted_code, reloads
from bluegreen.host import around, copies, machine, sources
from bluegreen.places.docker.mounts import Surroundings
from bluegreen.places.docker.spec.process import labels_part
from tests.fakes.site import Site, Tell

PROJECT = "/srv/shop"


@pytest.mark.parametrize(
    ("source", "context", "is_code"),
    [
        (".", ".", True),
        ("..", ".", True),
        ("./src", ".", True),
        ("./backend", "./backend", True),
        ("./app", None, True),
        ("./data", ".", False),
        ("./media", ".", False),
        ("./config", ".", False),
        ("/var/log", ".", False),
        ("./server.py", ".", False),
        ("/", ".", False),
        ("./backend/app", "./backend", True),
        ("./static", ".", False),
    ],
)
def test_a_mount_of_the_code(source: str, context: str | None, is_code: bool) -> None:
    def whole(path: str) -> str:
        return os.path.normpath(os.path.join(PROJECT, path))

    service: dict[str, Any] = {"volumes": [{"type": "bind", "source": whole(source), "target": "/x"}]}
    service["volumes"].append({"type": "volume", "source": "src", "target": "/y"})
    if context:
        service["build"] = {"context": whole(context)}
    assert bool(mounted_code(service, PROJECT)) is is_code


@pytest.mark.parametrize(
    ("command", "watches"),
    [
        ("uvicorn a:b --reload", "--reload"),
        (["python", "manage.py", "runserver", "0.0.0.0:1"], "manage.py runserver"),
        ("npm run dev", "npm run dev"),
        ("nodemon server.js", "nodemon"),
        ("flask run --debug", "flask run --debug"),
        ("uvicorn a:b --reload-dir x", None),
        ("npm run start", None),
        (None, None),
        ("gunicorn a", None),
    ],
)
def test_a_server_that_watches_its_files(command: Any, watches: str | None) -> None:
    assert reloads({"command": command}) == watches


def test_check_tells_both_and_the_restart_policies_in_one_line(live: Site, tell: Tell) -> None:
    web = live.document["services"]["web"]
    web["command"] = ["uvicorn", "a:b", "--reload"]
    web["volumes"] = [{"type": "bind", "source": str(live.project), "target": "/app"}]
    web["labels"] = {"traefik.http.routers.web.rule": "Host(`a`)"}
    live.document["services"]["db"]["restart"] = "unless-stopped"
    live.document["services"]["cache"] = {"image": "redis"}
    found = tell("check")[1]["findings"]
    code = [it["found"] for it in found if it["name"] == "code"]
    assert code == ["web runs the code of this folder, mounted at /app", "web is started with --reload"]
    assert [(it["outcome"], it["found"]) for it in found if it["name"] == "shared"] == [
        ("warning", "db has restart: unless-stopped; cache has restart: no")
    ]
    settings = [it["found"] for it in found if it["name"] == "settings" and it["outcome"] == "warning"]
    assert any("its labels for Traefik are left out of the colors" in it for it in settings)
    assert "code" not in findings.MIGRATION_TOOLS


@pytest.mark.parametrize(
    ("labels", "kept", "told"),
    [
        ({"a": "b", "traefik.http.routers.r.rule": "Host(`a`)"}, {"a": "b", "traefik.enable": "false"}, ["Traefik"]),
        ({"traefik.enable": "true"}, {"traefik.enable": "false"}, ["Traefik"]),
        ({"traefik.enable": "false", "traefik.x": "y"}, {"traefik.enable": "false"}, []),
        ({"caddy": "a.example", "caddy.reverse_proxy": "x", "caddy_1": "b"}, {}, ["caddy-docker-proxy"]),
        ({"caddyshack": "x", "my.traefik.note": "y"}, {"caddyshack": "x", "my.traefik.note": "y"}, []),
        ({"easyhaproxy.http.host": "a", "swag": "enable"}, {}, ["EasyHAProxy", "SWAG"]),
        ({}, {}, []),
    ],
)
def test_labels_of_other_proxies_are_no_labels_of_a_color(
    labels: dict[str, str], kept: dict[str, str], told: list[str]
) -> None:
    assert labels_part({"labels": labels}, Surroundings({}, {}, {})).config["Labels"] == kept
    assert labelled.by_labels({"labels": labels}) == told
    assert len(labelled.notices("web", {"labels": labels})) == len(told)


def test_a_proxy_that_finds_by_a_variable_is_told() -> None:
    assert (
        "nginx-proxy finds both colors by VIRTUAL_HOST"
        in labelled.notices("web", {"environment": {"VIRTUAL_HOST": "a"}})[0]
    )
    assert labelled.notices("web", {"environment": {"VIRTUAL_HOST": ""}}) == []


def test_what_is_read_around_a_compose_file(tmp_path: Path) -> None:
    for name in (
        "a/Dockerfile",
        "a/main.py",
        "a/node_modules/x.js",
        "a/.git/x.py",
        "a/secret.pem",
        "a/.env",
        "n/site.conf",
        "a/prisma/migrations/1/migration.sql",
        "a/deep/alembic.ini",
        "Caddyfile",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    os.mkfifo(tmp_path / "a" / "pipe.py")
    found = around.read([str(tmp_path / "Caddyfile"), str(tmp_path / "a"), str(tmp_path), str(tmp_path / "none")])
    assert {str(Path(path).relative_to(tmp_path)) for path in found} == {
        "Caddyfile",
        "a/Dockerfile",
        "a/main.py",
        "a/prisma/migrations/1/migration.sql",
        "a/deep/alembic.ini",
        "n/site.conf",
    }
    assert found[str(tmp_path / "a/prisma/migrations/1/migration.sql")] == "", "that it is there is enough"


def test_how_much_is_read_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        (tmp_path / f"{number}.py").write_text("x" * 9)
    monkeypatch.setattr(around, "MAX_FILES", 4)
    monkeypatch.setattr(around, "MAX_BYTES", 3)
    found = around.read([str(tmp_path)])
    assert (len(found), set(found.values())) == (4, {"xxx"})
    monkeypatch.setattr(around, "MAX_ENTRIES", 3)
    assert around.read([str(tmp_path)]) == {}


def test_a_folder_is_copied_into_itself_without_its_own_copies(tmp_path: Path) -> None:
    source = tmp_path / "shop"
    (source / "state" / "rehearsal").mkdir(parents=True)
    (source / "state" / "journal").write_text("j")
    (source / "main.py").write_text("m")
    (source / "link").symlink_to("main.py")
    source.chmod(0o750)
    to = source / "state" / "rehearsal" / "copy-1" / "shop"
    to.parent.mkdir()
    copies.copy(source, to, source / "state" / "rehearsal")
    assert sorted(str(path.relative_to(to)) for path in to.rglob("*")) == ["link", "main.py", "state", "state/journal"]
    assert (to / "link").is_symlink()
    assert to.stat().st_mode & 0o777 == 0o750
    with pytest.raises(OSError, match="itself"):
        copies.copy(source, to.with_name("other"))


def test_lines_are_added_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "ignore"
    file.write_bytes(b"a")
    sources.add_lines(file, ["b", "c"])
    assert file.read_bytes() == b"a\nb\nc\n"


def test_where_containers_reach_this_machine() -> None:
    assert machine.docker_bridge().count(".") == 3
