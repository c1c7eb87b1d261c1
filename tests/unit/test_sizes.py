"""How large a file, a class and a function may be. What is larger today stands in `LARGER`, which may only shrink."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import bluegreen

ROOT = Path(bluegreen.__file__).parent
FILE_LINES = 350
CLASS_METHODS = 15
FUNCTION_PARAMETERS = 6
FUNCTION_LINES = 45

# Each with today's size: whoever makes one smaller writes the smaller number, and takes it out once it fits.
LARGER: dict[str, int] = {
    "errors.py BluegreenError.__init__ parameters": 9,  # the fields of an error, each typed by its name
}


@functools.cache
def _sizes() -> tuple[tuple[str, int, int], ...]:
    """(what, its size, the limit) of everything that has a limit."""
    return tuple(_measured())


def _measured() -> Iterator[tuple[str, int, int]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        yield f"{name} lines", len(text.splitlines()), FILE_LINES
        for owner, node in _definitions(ast.parse(text)):
            where = f"{name} {owner}{node.name}"
            if isinstance(node, ast.ClassDef):
                methods = [it for it in node.body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)]
                yield f"{where} methods", len(methods), CLASS_METHODS
            else:
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = sum(argument.arg not in ("self", "cls") for argument in given)
                yield f"{where} parameters", count, FUNCTION_PARAMETERS
                yield f"{where} lines", (node.end_lineno or node.lineno) - node.lineno + 1, FUNCTION_LINES


def _definitions(
    tree: ast.AST, owner: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield owner, node
            yield from _definitions(node, f"{owner}{node.name}.")
        else:
            yield from _definitions(node, owner)


def test_what_is_larger_than_its_limit_is_listed_and_only_shrinks() -> None:
    assert {what: size for what, size, limit in _sizes() if size > limit} == LARGER


def test_each_kind_of_size_is_measured() -> None:
    source = "class A:\n    def b(self, c, *, d):\n        if c:\n            def e(f): ...\n"
    found = [f"{owner}{node.name}" for owner, node in _definitions(ast.parse(source))]
    assert found == ["A", "A.b", "A.b.e"]
    kinds = {what.rsplit(" ", 1)[1] for what, _, _ in _sizes()}
    assert kinds == {"lines", "methods", "parameters"}
