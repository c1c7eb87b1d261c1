"""The kinds of breaks: cosmic-ray's that change what code does, and one of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes, get_ast  # type: ignore[import-untyped]  # it ships no types
from cosmic_ray.mutating import mutate_code  # type: ignore[import-untyped]
from cosmic_ray.operators.boolean_replacer import AddNot  # type: ignore[import-untyped]
from cosmic_ray.operators.exception_replacer import ExceptionReplacer  # type: ignore[import-untyped]
from cosmic_ray.operators.operator import Operator  # type: ignore[import-untyped]
from cosmic_ray.operators.provider import OperatorProvider  # type: ignore[import-untyped]

# Left out: `is` for `==`, which is the same for enums and short texts, and numbers, which are mostly limits.
CHOSEN = (
    "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
    "Is_IsNot", "IsNot_Is",
)  # fmt: skip
NAMES = (
    *(f"ReplaceComparisonOperator_{it}" for it in CHOSEN),
    *(f"ReplaceBinaryOperator_{it}" for it in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Mod_Mul", "BitOr_BitAnd")),
    "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub", "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak", "ZeroIterationForLoop",
)  # fmt: skip


class Opposite(AddNot):  # type: ignore[misc]  # the library is untyped
    """`not` before the whole condition; the library's negates the first part of `a or b`."""

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - the library's
        where = 1 if isinstance(node, self.NODE_TYPES) else 2
        node.children[where] = _parsed(f" not ({node.children[where].get_code().strip()})")
        return node


class NotCaught(ExceptionReplacer):  # type: ignore[misc]  # the library is untyped
    """An exception is not caught any more; the library's stumbles over `except docker.errors.NotFound`."""

    def mutate(self, node: Any, index: int) -> Any:
        self._name_nodes(node)[index].get_first_leaf().value = "NoSuchException"
        return node

    @staticmethod
    def _name_nodes(node: Any) -> list[Any]:
        found = node.children[1]
        if found.type == "atom":
            found = found.children[1]
        return list(found.children[::2]) if found.type in ("testlist_comp", "exprlist", "testlist") else [found]


class CallLeftOut(Operator):  # type: ignore[misc]  # the library is untyped
    """A statement that is nothing but a call becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        alone = getattr(node, "parent", None) is not None and node.parent.type in ("simple_stmt", "suite", "file_input")
        if alone and node.type == "atom_expr" and node.children[-1].get_first_leaf().value == "(":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - the library's
        return _parsed(f"{node.get_first_leaf().prefix}pass")

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


def _parsed(text: str) -> Any:
    return parso.parse(text)  # type: ignore[no-untyped-call]


def operators() -> dict[str, Any]:
    known = OperatorProvider()
    return {name: known[name]() for name in NAMES} | {
        "Opposite": Opposite(),
        "NotCaught": NotCaught(),
        "CallLeftOut": CallLeftOut(),
    }


def positions(source: str) -> Iterator[tuple[str, int, int, int]]:
    """(kind, its occurrence, line, column) of everything that can be broken."""
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator in operators().items():
        found = [(node, start) for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (node, (line, column)) in enumerate(found):
            if node.parent is None or node.parent.type != "parameters":  # a lone / or * is no operator
                yield name, occurrence, line, column


def broken(source: str, kind: str, occurrence: int) -> str:
    text: str | None = mutate_code(source, operators()[kind], occurrence)
    assert text is not None, (kind, occurrence)
    compile(text, kind, "exec")
    return text
