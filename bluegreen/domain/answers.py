"""Recorded requests and the answers that a release must give: how they are read, written and compared. Pure.

In a recorded answer a text that begins with # means values that vary: #number, #string, #boolean, #time,
#uuid, #array, #object, #ignore, and #regex PATTERN; #literal TEXT is a text that begins with # itself. A
list ["#each", SHAPE] means a list of any length whose entries have that shape. Extra keys of an answer are allowed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain.color import COLORS

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1: may be repeated
TELLING = ("Content-Type", "Location", "Cache-Control", "Access-Control-Allow-Origin", "WWW-Authenticate", "Allow")
SECRET = re.compile(r"pass|pwd|secret|token|api.?key|credential|authorization|cookie|signature", re.IGNORECASE)
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
EITHER_COLOR = f"#regex ^({'|'.join(COLORS)})$"
LONGEST_ARRAY = 100  # entries of a recorded array; a longer one is recorded as #array
EACH = "#each"
SHOWN = 60  # characters of a value in a difference
NOTHING: Any = object()  # an expectation without JSON; null is JSON


@dataclass(frozen=True)
class Expectation:
    """One recorded request, and the answer that it must get."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = NOTHING
    text: str | None = None  # a regular expression that the body must match

    @property
    def request(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def typed(self) -> str:
        """The same with its headers and its body, as `expect --record` takes it in a shell."""
        words = [self.method, self.path]
        words += [word for name, value in self.headers.items() for word in ("-H", f"{name}: {value}")]
        return shlex.join([*words, *(["-d", self.body] if self.body is not None else [])])

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same request as another one."""
        return self.method, self.path, tuple(sorted(self.headers.items())), self.body

    def variables(self) -> set[str]:
        """The names of environment variables that its request takes."""
        texts = [self.path, *self.headers.values(), self.body or ""]
        return {name for text in texts for name in VARIABLE.findall(text)}

    def filled_in(self, text: str, values: Mapping[str, str]) -> str:
        return VARIABLE.sub(lambda match: values[match[1]], text)


@dataclass(frozen=True)
class Answer:
    """What came back. `headers` has lower-case names; `problem`: why no complete answer came."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    problem: str = ""

    def as_json(self) -> Any:
        """The body as JSON, or NOTHING."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return NOTHING


# -- the file


def parse(document: object) -> tuple[tuple[Expectation, ...], list[str]]:
    """(the expectations, every problem with its place) of a file's document."""
    if document is None:
        return (), []
    if not isinstance(document, list):
        return (), ["expected a list of entries, each with request and status"]
    found, problems = [], []
    for number, entry in enumerate(document, 1):
        wrong = list(_entry_problems(entry))
        problems += [f"entry {number}{f'.{where}' if where else ''}: {why}" for where, why in wrong]
        if not wrong:
            found.append(_entry(entry))
    return tuple(found), problems


KEYS = ("request", "headers", "body", "status", "answer_headers", "json", "text")


def _entry_problems(entry: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(entry, Mapping):
        yield "", f"found {_short(entry)}, expected request, status and what the answer must have"
        return
    for key in entry:
        if key not in KEYS:
            yield str(key), f"unknown key; known keys: {', '.join(KEYS)}"
    method, _, path = str(entry.get("request", "")).partition(" ")
    if method not in METHODS or not re.fullmatch(r"/[!-~]*", path):
        yield "request", f"found {_short(entry.get('request'))}, expected METHOD /path, such as GET /api/items"
    status = entry.get("status", 200)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        yield "status", f"found {_short(status)}, expected a number from 100 to 599"
    for key in ("headers", "answer_headers"):
        values = entry.get(key) or {}
        if not isinstance(values, Mapping) or not all(map(_is_header, values.items())):
            yield key, f"found {_short(values)}, expected names with one-line texts"
    for key in ("body", "text"):
        if not isinstance(entry.get(key, ""), str):
            yield key, f"found {_short(entry[key])}, expected a text"
    yield from _pattern_problems(entry)


def _is_header(item: tuple[object, object]) -> bool:
    name, value = item
    named = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)
    return bool(named) and isinstance(value, str) and value.isprintable()


def _pattern_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    patterns = [("text", entry["text"])] if isinstance(entry.get("text"), str) else []
    patterns += [(where, marker.removeprefix("#regex ")) for where, marker in _markers(entry.get("json"), "json")]
    for where in _broken_each(entry.get("json"), "json"):
        yield where, f'expected a list of two, ["{EACH}", the shape of each entry]'
    for where, pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield where, f"found {_short(pattern)}, expected a regular expression ({error})"


def is_each(wanted: Any) -> bool:
    """Whether this means a list of any length."""
    return isinstance(wanted, list) and len(wanted) == 2 and wanted[0] == EACH


def _broken_each(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _broken_each(entry, f"{where}.{key}")
    elif isinstance(value, list):
        if EACH in value and not (is_each(value) and value[1] != EACH):
            yield where
        for number, entry in enumerate(value):
            if isinstance(entry, Mapping | list):
                yield from _broken_each(entry, f"{where}[{number}]")
    elif value == EACH:
        yield where


def _markers(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _markers(entry, f"{where}.{key}")
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _markers(entry, f"{where}[{number}]")
    elif isinstance(value, str) and value.startswith("#regex "):
        yield where, value


def _entry(entry: Mapping[str, Any]) -> Expectation:
    method, _, path = entry["request"].partition(" ")
    return Expectation(
        method, path, dict(entry.get("headers") or {}), entry.get("body"), entry.get("status", 200),
        dict(entry.get("answer_headers") or {}), entry.get("json", NOTHING), entry.get("text"),
    )  # fmt: skip


def document(expectations: Iterable[Expectation]) -> list[dict[str, Any]]:
    """The inverse of `parse`, with what is empty left out."""
    return [
        {
            "request": it.request,
            **({"headers": dict(it.headers)} if it.headers else {}),
            **({"body": it.body} if it.body is not None else {}),
            "status": it.status,
            **({"answer_headers": dict(it.answer_headers)} if it.answer_headers else {}),
            **({"json": it.json} if it.json is not NOTHING else {}),
            **({"text": it.text} if it.text is not None else {}),
        }
        for it in expectations
    ]


# -- comparing


def differences(wanted: Expectation, answer: Answer) -> list[str]:
    """How an answer differs from the expected one: a line for each place, not two dumps. Empty: it does not."""
    if answer.problem:
        return [answer.problem]
    if answer.status != wanted.status:
        return [f"status is {answer.status}, expected {wanted.status}: {_short(answer.body)}"]
    found = [
        f"header {name} is {_short(answer.headers.get(name.lower(), NOTHING))}, expected {_short(value)}"
        for name, value in wanted.answer_headers.items()
        if not fits(value, answer.headers.get(name.lower(), NOTHING))
    ]
    if wanted.text is not None and not re.search(wanted.text, answer.body):
        found.append(f"text does not match {wanted.text}: {_short(answer.body)}")
    if wanted.json is not NOTHING:
        found += _compared(wanted.json, answer.as_json(), "json")
    return found


def _compared(wanted: Any, value: Any, where: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(value, dict):
        for key, entry in wanted.items():
            yield from _compared(entry, value.get(key, NOTHING), f"{where}.{key}")
    elif is_each(wanted) and isinstance(value, list):
        yield from _compared_each(wanted[1], value, where)
    elif isinstance(wanted, list) and isinstance(value, list):
        if len(wanted) != len(value):
            yield f"{where} has {len(value)} entries, expected {len(wanted)}"
        for number, entry in enumerate(wanted[: len(value)]):
            yield from _compared(entry, value[number], f"{where}[{number}]")
    elif not fits(wanted, value):
        yield f"{where} is {_short(value)}, expected {_short(wanted)}"


def _compared_each(wanted: Any, values: list[Any], where: str) -> Iterator[str]:
    """The differences of the first entry that differs; the others mostly differ in the same way."""
    wrong = [found for n, it in enumerate(values) if (found := list(_compared(wanted, it, f"{where}[{n}]")))]
    yield from wrong[0] if wrong else ()
    if len(wrong) > 1:
        yield f"{where}: {len(wrong) - 1} more entries differ"


MARKERS: Mapping[str, Callable[[Any], bool]] = {
    **{f"#{kind}": lambda value, kind=kind: kind_of(value) == kind  # type: ignore[misc]  # the default binds kind now
       for kind in ("number", "string", "boolean", "array", "object")},
    "#ignore": lambda _: True,
    "#uuid": lambda value: isinstance(value, str) and bool(UUID.fullmatch(value)),
    "#time": lambda value: isinstance(value, str) and bool(TIME.fullmatch(value)),
}  # fmt: skip


def fits(wanted: Any, value: Any) -> bool:
    if value is NOTHING:
        return False
    if isinstance(wanted, str) and wanted.startswith("#"):
        if wanted in MARKERS:
            return MARKERS[wanted](value)
        if wanted.startswith("#regex "):
            text = value if isinstance(value, str) else json.dumps(value)
            return re.search(wanted.removeprefix("#regex "), text) is not None
        wanted = wanted.removeprefix("#literal ")
    return kind_of(wanted) == kind_of(value) and bool(wanted == value)


def fits_whole(wanted: Any, value: Any) -> bool:
    """Whether all of a value is as wanted."""
    return not any(True for _ in _compared(wanted, value, ""))


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {int: "number", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
    return kinds.get(type(value), "ignore")


def _short(value: Any) -> str:
    if value is NOTHING:
        return "absent"
    text = (
        value
        if isinstance(value, str) and value.startswith("#")
        else json.dumps(value, ensure_ascii=False, default=str)
    )
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
