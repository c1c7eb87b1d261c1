"""Which breaks there are in a room, without those that nobody could notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.kinds import positions

Span = tuple[int, int, int, int]  # line and column of the first and the last character
TEXTS = {"summary", "failed", "expected", "traffic", "retry", "next", "help"}  # arguments that are words for a person


@dataclass(frozen=True)
class Mutant:
    """One break: the file in the tree, and which occurrence of a kind."""

    room: str
    file: str
    line: int
    kind: str
    occurrence: int
    statement: tuple[int, int]  # first and last line of what is executed
    at_import: bool


def _span(node: ast.expr | ast.stmt) -> Span:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0


def _names(test: ast.expr) -> set[str]:
    return {it.id for it in ast.walk(test) if isinstance(it, ast.Name)}


def left_out(tree: ast.Module) -> Iterator[Span]:
    """Types, texts of messages, and constants: nothing that is done."""
    for constant in tree.body:
        if isinstance(constant, ast.Assign | ast.AnnAssign) and isinstance(constant.value, ast.BinOp):
            yield _span(constant)  # a limit or a type
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in _names(node.test):
            yield _span(node)
        elif isinstance(node, ast.ClassDef):
            yield from (_span(it) for it in node.decorator_list)
        elif isinstance(node, ast.JoinedStr):
            yield _span(node)
        elif isinstance(node, ast.FunctionDef) and _says_nothing(node):  # of a port: its defaults are never taken
            yield from (_span(it) for it in [*node.args.defaults, *node.args.kw_defaults, *_annotations(node)] if it)
        elif isinstance(node, ast.keyword) and node.arg in TEXTS:
            yield _span(node.value)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            yield _between(node.left, node.right)  # of a path
        else:
            yield from (_span(it) for it in _annotations(node))


def _says_nothing(node: ast.FunctionDef) -> bool:
    return all(isinstance(it, ast.Expr) and isinstance(it.value, ast.Constant) for it in node.body)


def _between(left: ast.expr, right: ast.expr) -> Span:
    return left.end_lineno or 0, left.end_col_offset or 0, right.lineno, right.col_offset


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    for name in ("annotation", "returns"):
        found = getattr(node, name, None)
        if isinstance(found, ast.expr):
            yield found


def _statements(tree: ast.Module) -> Iterator[tuple[int, int, bool]]:
    """(first line, last line, at import) of each statement, outer ones first; of a block its head alone."""

    def walk(body: list[ast.stmt], at_import: bool) -> Iterator[tuple[int, int, bool]]:
        for node in body:
            first = min([node.lineno, *(it.lineno for it in getattr(node, "decorator_list", []))])
            yield first, node.end_lineno or node.lineno, at_import
            inside = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for part in ("body", "orelse", "finalbody"):
                yield from walk(getattr(node, part, []), inside)
            for part in ("handlers", "cases"):
                for it in getattr(node, part, []):
                    yield (
                        (it.lineno if isinstance(it, ast.excepthandler) else it.pattern.lineno),
                        it.body[0].lineno,
                        inside,
                    )
                    yield from walk(it.body, inside)

    yield from walk(tree.body, True)


def _heads(tree: ast.Module) -> dict[int, tuple[int, int, bool]]:
    """For each line, the innermost statement that it is part of."""
    owner: dict[int, tuple[int, int, bool]] = {}
    for first, last, at_import in _statements(tree):
        owner |= dict.fromkeys(range(first, last + 1), (first, last, at_import))
    lines: dict[tuple[int, int, bool], list[int]] = {}
    for line, it in owner.items():
        lines.setdefault(it, []).append(line)
    return {line: (min(lines[it]), max(lines[it]), it[2]) for line, it in owner.items()}


def in_file(root: Path, path: Path) -> Iterator[Mutant]:
    source = path.read_text()
    tree = ast.parse(source)
    spans, heads = list(left_out(tree)), _heads(tree)
    inside = path.relative_to(root / "bluegreen")
    room = inside.parts[0] if len(inside.parts) > 1 else "(top)"
    for kind, occurrence, line, column in positions(source):
        byte = len(source.splitlines()[line - 1][:column].encode())
        if not any((a, b) <= (line, byte) < (c, d) for a, b, c, d in spans):
            first, last, at_import = heads[line]
            yield Mutant(room, str(path.relative_to(root)), line, kind, occurrence, (first, last), at_import)


def everywhere(root: Path) -> dict[str, list[Mutant]]:
    rooms: dict[str, list[Mutant]] = {}
    for path in sorted((root / "bluegreen").rglob("*.py")):
        for mutant in in_file(root, path):
            rooms.setdefault(mutant.room, []).append(mutant)
    return rooms
