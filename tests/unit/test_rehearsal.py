"""What is laid over a Compose file for a rehearsal, and what cannot be kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bluegreen.domain.app import Migration, Route, Settings, Stack, Task
from bluegreen.domain.release import Image
from bluegreen.domain.tls import Tls
from bluegreen.features.rehearsal.overlay import Mount, Overlay, folders, refusals, text, verdict, volumes


def _stack(**services: dict[str, Any]) -> Stack:
    settings = Settings((Route("web", 8000),), jobs=("worker",), migrate=Migration(Task(service="web")))
    known: dict[str, dict[str, Any]] = {
        "web": {"image": "shop:1", "build": {"context": "."}},
        "worker": {"image": "shop:1"},
    }
    everything = {name: {**known.get(name, {}), **services.get(name, {})} for name in {**known, **services}}
    shared = tuple(name for name in everything if name not in ("web", "worker"))
    return Stack(
        "shop", settings, everything,
        {"default": {"name": "shop_default", "ipam": {}}, "edge": {"name": "traefik", "external": True}},
        {"data": {"name": "shop_data"}, "old": {"name": "fixed", "driver_opts": {"type": "nfs"}}}, {}, {}, shared,
        "/srv",
    )  # fmt: skip


OVERLAY = Overlay("shop-rehearsal", "127.0.0.1:9000", "127.0.0.1:9001", {}, {}, "/srv/.bluegreen/none.yaml")


def test_an_overlay_gives_the_rehearsal_names_ports_networks_and_volumes_of_its_own() -> None:
    stack = _stack(db={"image": "postgres", "ports": [{"published": "5432"}], "container_name": "the-db"})
    assert text(stack, OVERLAY).splitlines() == [
        'name: "shop-rehearsal"',
        "x-bluegreen:",
        '  listen: !override "127.0.0.1:9000"',
        '  preview: !override "127.0.0.1:9001"',
        "  hooks: !reset null",
        "  require: !reset null",
        '  expected: !override "/srv/.bluegreen/none.yaml"',
        "services:",
        '  "web":',
        '    image: !override "shop-rehearsal-web:rehearsal"',
        '  "worker":',
        '    image: !override "shop-rehearsal-web:rehearsal"',
        '  "db":',
        "    container_name: !reset null",
        "    ports: !reset []",
        "networks:",
        '  "edge": !override {}',
        "volumes:",
        '  "old": !override {}',
    ]


def test_an_overlay_that_changes_no_service_has_no_empty_mapping() -> None:
    """Compose refuses `services:` without one: an app of images alone could not be rehearsed."""
    stack = replace(
        _stack(),
        services={"web": {"image": "shop:1"}, "worker": {"image": "shop:1"}},
        networks={},
        volumes={},
        shared=(),
    )
    assert "services:" not in text(stack, OVERLAY)


def test_a_rehearsal_asks_for_no_certificate_sends_no_notice_and_takes_no_port_of_production() -> None:
    routes = (Route("web", 8000), Route("admin", 9000, listen=("127.0.0.1:9000",)))
    settings = replace(_stack().settings, routes=routes, tls=Tls(email="ops@example.com"), notify=("https://a",))
    overlay = replace(OVERLAY, own={"admin": "127.0.0.1:9002"})
    lines = text(replace(_stack(admin={"image": "shop:1"}), settings=settings), overlay).splitlines()
    assert {"  tls: !reset null", "  notify: !reset null"} <= set(lines)
    assert lines[lines.index("  services:") + 1] == '    "admin": {listen: !override "127.0.0.1:9002"}'


def test_todays_images_are_taken_by_their_ids_and_built_of_nothing() -> None:
    overlay = Overlay("r", "1", "2", {}, {"web": Image("shop:1", "sha256:7")}, "n")
    lines = text(_stack(), overlay).splitlines()
    assert lines[lines.index('  "web":') :][:4] == [
        '  "web":', '    image: !override "sha256:7"', "    pull_policy: !override never", "    build: !reset null",
    ]  # fmt: skip


def test_a_shared_service_that_runs_what_the_release_builds_gets_the_same_image() -> None:
    stack = _stack(flower={"image": "shop:1"}, proxy={"build": {"context": "p"}})
    today = text(stack, Overlay("r", "1", "2", {}, {"web": Image("shop:1", "sha256:7")}, "n")).splitlines()
    assert today[today.index('  "flower":') :][1:3] == [
        '    image: !override "sha256:7"',
        "    pull_policy: !override never",
    ]
    assert today[today.index('  "proxy":') :][1] == '    image: !override "r-proxy:rehearsal"'
    coming = text(stack, Overlay("r", "1", "2", {}, {}, "n")).splitlines()
    assert coming[coming.index('  "flower":') :][1] == '    image: !override "r-web:rehearsal"'


def test_writable_folders_become_volumes_or_copies() -> None:
    stack = _stack(
        web={"volumes": [
            {"type": "bind", "source": "/srv/up", "target": "/up"},
            {"type": "bind", "source": "/srv/code", "target": "/code", "read_only": True},
            {"type": "volume", "source": "data", "target": "/data"},
        ]},
        db={"volumes": [{"type": "bind", "source": "/srv/db$1", "target": "/db"}]},
    )  # fmt: skip
    mounts = folders(stack)
    assert mounts == [Mount("web", "/srv/up", "/up", False), Mount("db", "/srv/db$1", "/db", True)]
    assert volumes(stack) == [("data", "shop_data")]
    overlay = Overlay("r", "1", "2", {mounts[0]: None, mounts[1]: "/tmp/db$1"}, {}, "n")  # noqa: S108 - no file is made
    lines = text(stack, overlay).splitlines()
    assert '      - {"type": "volume", "source": "rehearsal_web_up", "target": "/up"}' in lines
    assert '      - {"type": "bind", "source": "/tmp/db$$1", "target": "/db"}' in lines
    assert '  "rehearsal_web_up": {}' in lines


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"URL": "postgres://u:p@db/x"}, []),
        ({"URL": "postgresql+asyncpg://u:p@db:5432/x"}, []),
        ({"URL": "redis://localhost:6379/0"}, []),
        ({"URL": "https://api.example.com"}, []),
        ({"URL": "postgres://u:p@db.example.com/x"}, ["web.URL points outside the Compose file"]),
        ({"URL": "mongodb+srv://u:p@cluster.example.com/x"}, ["web.URL points outside the Compose file"]),
        ({"PGHOST": "10.0.0.5"}, ["web.PGHOST points outside the Compose file"]),
        ({"REDIS_HOST": "db"}, []),
        ({"ALLOWED_HOSTS": "example.com"}, []),
        ({"UPGRADE_HOST": "example.com"}, []),
        ({"APP_DB_HOST": "db.example.com"}, ["web.APP_DB_HOST points outside the Compose file"]),
    ],
)
def test_a_database_outside_of_the_file_is_not_rehearsed_with(environment: dict[str, str], found: list[str]) -> None:
    stack = _stack(web={"environment": environment}, db={"image": "postgres"})
    assert refusals(stack, outside=False) == found
    assert refusals(stack, outside=True) == []


def test_what_todays_images_do_not_answer_either_is_for_want_of_data() -> None:
    before, after = {"GET /": ("x",), "GET /a": ()}, {"GET /": ("x",), "GET /a": ("y",), "GET /b": ()}
    assert verdict(before, after, same_data=False) == (["GET /a"], ["GET /"])
    assert verdict(before, after, same_data=True) == (["GET /", "GET /a"], [])
