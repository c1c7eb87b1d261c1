"""The plan of the house, held: an arrow points only down, one outside library behind one room."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import bluegreen

ROOT = Path(bluegreen.__file__).parent
FLOORS = {
    "cli": 6, "features": 5, "look": 4, "flow": 3, "places": 2,
    "compose": 1, "frontdoor": 1, "host": 1, "probe": 1, "state": 1, "plans": 1, "settings": 1,
    "domain": 0,
}  # fmt: skip
OUTSIDE = {
    "docker": {"places"},
    "requests": {"places", "features"},  # of docker-py and acme: their exceptions must end in the room that uses them
    "acme": {"features"},
    "josepy": {"features"},  # acme's keys
    "cryptography": {"features"},
    "httpx": {"probe"},
    "jinja2": {"frontdoor", "cli", "features"},  # the nginx file, and the pages that a person reads
    "sqlite3": {"state"},
    "pydantic": {"settings"},
    "pydantic_core": {"settings"},
    "click": {"cli"},
    "rich": {"cli"},
    "subprocess": {"compose", "host"},
}


@functools.cache
def _imports() -> tuple[tuple[str, str, str], ...]:
    return tuple(_found())


def _found() -> Iterator[tuple[str, str, str]]:
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


def test_flow_and_look_are_handed_the_outside_world_and_import_none_of_it() -> None:
    rooms = {"places", "compose", "frontdoor", "probe", "state", "host"}
    wrong = [
        f"{path}: {module}"
        for path, room, module in _imports()
        if room in ("flow", "look") and module.startswith("bluegreen.") and module.split(".")[1] in rooms
    ]
    assert wrong == []


def test_features_do_not_import_each_other() -> None:
    wrong = []
    for path, room, module in _imports():
        parts = module.split(".")
        if room == "features" and parts[:2] == ["bluegreen", "features"]:
            own = Path(path).relative_to(ROOT).parts[1]
            wrong += [] if parts[2] == own else [f"{path}: {module}"]
    assert wrong == []


def test_what_decides_imports_no_library() -> None:
    wrong = []
    for path, room, module in _imports():
        top = module.split(".")[0]
        if room in ("domain", "plans") and top not in (*sys.stdlib_module_names, "bluegreen"):
            wrong.append(f"{path}: {module}")
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


TEXTS = {"summary", "failed", "expected", "next", "reason", "problem", "words", "detail"}


def _text(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in TEXTS


def _reads_words(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("startswith", "endswith") and _text(node.func.value)
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        return any(_text(it) for it in node.comparators)
    return False


def test_nothing_is_decided_by_the_words_of_a_message() -> None:
    """Rewording a message must change nothing but the message."""
    wrong = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for room in ("flow", "plans", "look")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if _reads_words(node)
    ]
    assert wrong == []
