"""Reads values from documents that somebody may have changed: every part must have its declared type."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def shaped(kind: type[T], document: object) -> T:
    """A dataclass from a document of its shape. Raises TypeError for any other."""
    made: T = _made(kind, document)
    return made


def _made(kind: Any, found: Any) -> Any:
    if kind is Any:
        return found
    if is_dataclass(kind):
        return _of_fields(kind, found)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal and type(found) in (str, int) and found in parts:
        return found
    if origin in (Union, types.UnionType):
        return _one_of(parts, found)
    if origin is tuple and isinstance(found, list | tuple):
        return tuple(_made(parts[0], entry) for entry in found)
    if origin is not None and issubclass(origin, Mapping) and isinstance(found, Mapping):
        return {_made(parts[0], key): _made(parts[1], entry) for key, entry in found.items()}
    if kind is float and type(found) in (int, float) and math.isfinite(found):
        return found
    if type(found) is kind:
        return found
    raise TypeError(f"{type(found).__name__} in place of {kind}")


def _of_fields(kind: Any, found: Any) -> Any:
    if not isinstance(found, Mapping):
        raise TypeError(f"{type(found).__name__} in place of {kind.__name__}")
    hints = _hints(kind)
    missing = [it.name for it in fields(kind) if it.default is MISSING and it.default_factory is MISSING]
    if not set(missing) <= set(found) <= set(hints):
        raise TypeError(f"not the fields of {kind.__name__}")
    return kind(**{name: _made(hints[name], entry) for name, entry in found.items()})


def _one_of(kinds: tuple[Any, ...], found: Any) -> Any:
    if found is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _made(kind, found)
            except TypeError:
                continue
    raise TypeError(f"{type(found).__name__} in place of one of {len(kinds)}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
