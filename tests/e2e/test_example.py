"""The example that people copy: with bluegreen, and with plain Compose as well."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.load import Load
from tests.support.machine import EXAMPLE, docker, free_port
from tests.support.project import Project


@pytest.fixture
def example(make_project: object) -> Project:
    project: Project = make_project((EXAMPLE / "compose.yaml").read_text())  # type: ignore[operator]  # of conftest
    ignored = shutil.ignore_patterns("__pycache__", ".bluegreen", "compose.yaml")
    shutil.copytree(EXAMPLE, project.folder, ignore=ignored, dirs_exist_ok=True)
    return project


def test_the_example_runs_with_plain_compose(example: Project) -> None:
    port = free_port()
    example.write(example.file.read_text().replace("127.0.0.1:8000:8000", f"127.0.0.1:{port}:8000"))
    compose = ["docker-compose", "--profile", "release"]
    settings = example.environment({})
    subprocess.run([*compose, "up", "-d", "--build"], cwd=example.folder, env=settings, check=True, capture_output=True)
    found = _wait(port)
    assert found["greeting"] == "Hello"
    subprocess.run([*compose, "down", "-v"], cwd=example.folder, env=settings, check=True, capture_output=True)


def _wait(port: int) -> dict[str, str]:
    deadline = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            return dict(json.loads(connection.getresponse().read()))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        finally:
            connection.close()


def test_the_example_does_its_work_with_bluegreen(example: Project) -> None:
    example.ok("up")
    assert [it["name"] for it in json.loads(example.get("/api/items")[1])] == ["tea", "coffee"], "migrated"
    with Load(example.port, {"get": 5, "post": 5, "upload": 1, "events": 1, "socket": 1, "slow": 1}) as load:
        time.sleep(6)
        switched = example.ok("switch", GREETING="two")
        time.sleep(1)
    assert "✓ migrate" in switched.err
    assert load.tally.lost == [], load.tally.why()
    assert set(load.tally.kinds()) == {"get", "post", "upload", "events", "socket", "slow"}
    deadline = time.monotonic() + 20
    while (found := json.loads(example.get("/api/orders")[1]))["done"] < found["orders"]:
        assert time.monotonic() < deadline, f"the worker did not do every order: {found}"
        time.sleep(0.2)
    assert found["orders"] == len(load.tally.orders) > 20
    assert docker("inspect", "-f", "{{.State.Running}}", f"{example.name}-blue-worker-1") == "false"


EXPAND = """
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.execute("alter table items add column color text")
    op.execute("insert into items (name, price, color) values ('cocoa', 4, 'brown')")
"""


@pytest.mark.long
def test_a_migration_on_a_real_postgres_expands_and_both_releases_live_with_it(example: Project) -> None:
    example.ok("up")
    example.ok("expect", "--record", "GET", "/api/health")
    (example.folder / "migrations" / "versions" / "0003_color.py").write_text(EXPAND)
    with Load(example.port, {"get": 2, "api": 2}) as load:
        example.ok("switch")
        names = [it["name"] for it in json.loads(example.get("/api/items")[1])]
        back = example.ok("flip-back")
    assert load.tally.lost == [], load.tally.why()
    assert names == ["tea", "coffee", "cocoa"]
    assert "Release 2 ran a migration, and flip-back does not undo it" in back.out
    assert [it["name"] for it in json.loads(example.get("/api/items")[1])] == names, "the former code on the new schema"
    found = docker(
        "exec", f"{example.name}-db-1", "psql", "-h", "127.0.0.1", "-U", "shop", "-Atc",
        "select version_num from alembic_version", "postgresql://shop:shop@127.0.0.1/shop",
    )  # fmt: skip
    assert found == "0003"
    assert "0002 -> 0003" in example.ok("show", "2").out, "what Alembic said is kept"
    again = example.ok("switch", "--force")
    assert "0002 -> 0003" not in example.ok("show", "3").out, "once"
    assert "✓ migrate" in again.err


def test_no_file_of_the_example_names_a_machine(tmp_path: Path) -> None:
    del tmp_path
    for path in EXAMPLE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and ".bluegreen" not in path.parts:
            assert "bluegreen-base" not in path.read_text(), f"{path} must name official images only"
