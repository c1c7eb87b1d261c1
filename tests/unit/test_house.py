"""The plan of the house, held: an arrow points only down, one outside library behind one room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bluegreen

ROOT = Path(bluegreen.__file__).parent
FLOORS = {"cli": 3, "operations": 2, "engine": 1, "proxy": 1, "probe": 1, "state": 1, "host": 1, "release": 0}
OUTSIDE = {
    "docker": {"engine"},
    "requests": {"engine"},  # docker-py's own transport, whose exceptions must end in the engine's room
    "httpx": {"probe"},
    "tenacity": {"probe"},
    "jinja2": {"proxy", "cli"},  # the nginx file, and the pages that a person reads
    "sqlite3": {"state"},
    "pydantic": {"release"},
    "pydantic_core": {"release"},
    "click": {"cli"},
    "rich": {"cli"},
    "subprocess": {"engine", "host"},
}


def _imports() -> Iterator[tuple[str, str, str]]:
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).parts
        room = parts[0] if len(parts) > 1 else ""
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from ((str(path), room, node.module if "." in node.module else name) for name in names)
            elif isinstance(node, ast.Import):
                yield from ((str(path), room, alias.name) for alias in node.names)


def test_an_arrow_points_only_down_and_rooms_of_a_floor_do_not_import_each_other() -> None:
    wrong = []
    for path, room, module in _imports():
        parts = module.split(".")
        if room not in FLOORS or parts[0] != "bluegreen" or len(parts) < 2 or parts[1] not in FLOORS:
            continue
        if parts[1] != room and FLOORS[parts[1]] >= FLOORS[room]:
            wrong.append(f"{path}: {module}")
    assert wrong == []


def test_operations_are_handed_the_outside_world_and_import_none_of_it() -> None:
    rooms = {"engine", "proxy", "probe", "state", "host"}
    wrong = [
        f"{path}: {module}"
        for path, room, module in _imports()
        if room == "operations" and module.startswith("bluegreen.") and module.split(".")[1] in rooms
    ]
    assert wrong == []


def test_each_outside_library_has_one_room() -> None:
    wrong = [
        f"{path}: {module}"
        for path, room, module in _imports()
        if module.split(".")[0] in OUTSIDE and room not in OUTSIDE[module.split(".")[0]]
    ]
    assert wrong == []


def test_no_shell_is_ever_given_a_string() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.keyword) and node.arg == "shell"), path
            assert not (isinstance(node, ast.Attribute) and node.attr in ("system", "popen", "getoutput")), path
