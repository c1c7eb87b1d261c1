"""Inputs that nobody means, for a whole machine: in a file's place, on the command line, in the environment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from hypothesis import strategies as st

from bluegreen.cli.main import cli
from bluegreen.files import begin_of
from bluegreen.frontdoor.text import HEADER, MORE
from bluegreen.state.database import SCHEMA_VERSION
from tests.fakes.site import Site

Act = Callable[[Site], None]

ODD_TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "", " ", "-", "--", "a/b", "shop", "../shop", "x" * 300, "\x1b[31m", "é\u202e", "\udcff", "{{ 7 * 7 }}",
            "$HOME", "${NOT_SET}", "%s%n", "a\nb", "a\tb", "0", "-1", "1e999", "9" * 30, "9" * 5000, "0x1f", "nan",
            "true", "null", "1s", "500us", "500µs", "1h" * 60, "10.0.0.0/8", "[::1]:80", "0.0.0.0:0", "web", "web=",
            "=x", "web=shop:2", "GET", "/", "/health", "blue", "green", "1", "2", "(", "a{99999999999}", "(?P<a",
            "#regex (", "#number",
        ]
    ),
)  # fmt: skip
# Nothing that is written by a name from here may leave the machine that is not real.
INSIDE = ODD_TEXT.map(lambda text: text.replace("/", "_").replace("..", "_").replace("\0", "_"))
NUMBERS = st.one_of(
    st.integers(-3, 70000), st.sampled_from([2**31, 2**63, 2**64, 10**30, 10**400, -(2**63) - 1]),
    st.floats(width=32), st.sampled_from([1e308, -0.0, float("inf"), float("nan")]),
)  # fmt: skip
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, ODD_TEXT)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a document."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(place for key, value in inner for place in places(value, (*at, key)))]


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A document with another value at a place; Ellipsis takes it away."""
    if not place:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    if value is ... and len(place) == 1:
        del copy[place[0]]
    else:
        copy[place[0]] = changed(document[place[0]], place[1:], value)
    return copy


@st.composite
def mutated(draw: st.DrawFn, document: Any, value: st.SearchStrategy[Any] = VALUES, root: bool = True) -> Any:
    """A document in which one or two values are others."""
    for _ in range(draw(st.integers(1, 2))):
        found = [place for place in places(document) if place or root]
        if found:
            place = draw(st.sampled_from(found))
            document = changed(document, place, draw(st.one_of(value, st.just(...))) if place else draw(value))
    return document


# -- what lies in a file's place


def _clear(path: Path) -> None:
    if os.path.isdir(path) and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it, contextlib.suppress(OSError):
        it.bind(str(path))


def _huge(path: Path) -> None:
    path.write_bytes(b"{")
    os.truncate(path, 2**33)


KINDS: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda _: None,
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "a full folder": lambda path: (path / "in").mkdir(parents=True),
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a full device": lambda path: path.symlink_to("/dev/full"),
    "a circle": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a link to a process": lambda path: path.symlink_to("/proc/self/mem"),
    "huge": _huge,
    "deep": lambda path: path.write_bytes(b"[" * 50_000),
    "deep yaml": lambda path: path.write_bytes(b"- " * 2_000),
    "laughs": lambda path: path.write_text(
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    ),
    "one bad byte": lambda path: path.write_bytes(b'{"a": "\xff"}'),
    "NULs": lambda path: path.write_bytes(b"\0" * 100),
}
STATE_FILES = (
    "project.json", "lock", "salt", "compose.json", "journal.db", "journal.db-wal", "nginx/nginx.conf",
    "nginx/live-blue.conf", "nginx/live-green.conf", "nginx/route/live", "nginx/route", "nginx/route/blue", "nginx",
    "run", "run/handed", "nginx/next-public", "nginx/snippets",
)  # fmt: skip
PROJECT_FILES = (
    "expected.yaml",
    ".dockerignore",
    "snippets/a.conf",
    "snippets",
    "Makefile",
    "main.py",
    "requirements.txt",
)


def _put(path: Path, kind: str) -> None:
    if path.parent.is_dir() and not path.parent.is_symlink():
        _clear(path)
        KINDS[kind](path)


def _bytes(path: Path, content: bytes) -> None:
    if path.parent.is_dir() and not path.parent.is_symlink():
        _clear(path)
        path.write_bytes(content)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


def _text(path: Path) -> str:
    try:
        return begin_of(str(path), 1 << 20)
    except OSError:
        return ""  # another act was here before


def odd_file(folder: Callable[[Site], Path], names: tuple[str, ...]) -> st.SearchStrategy[Act]:
    """Another thing in a file's place, or other bytes in it."""

    def thing(name: str, kind: str) -> Act:
        return lambda it: _put(folder(it) / name, kind)

    def content(name: str, what: bytes) -> Act:
        return lambda it: _bytes(folder(it) / name, what)

    def cut(name: str, share: float, more: bytes) -> Act:
        def act(it: Site) -> None:
            whole = _text(folder(it) / name).encode()
            _bytes(folder(it) / name, whole[: int(len(whole) * share)] + more)

        return act

    which = st.sampled_from(names)
    return st.one_of(
        st.builds(thing, which, st.sampled_from(sorted(KINDS))), st.builds(content, which, st.binary(max_size=40)),
        st.builds(content, which, VALUES.map(_json)), st.builds(cut, which, st.floats(0, 1), st.binary(max_size=3)),
    )  # fmt: skip


@st.composite
def other_json(draw: st.DrawFn, name: str, document: Any) -> Act:
    found = draw(mutated(document))
    return lambda it: _bytes(it.state / name, _json(found))


@st.composite
def other_header(draw: st.DrawFn, header: Any) -> Act:
    """The rendered file says something else of itself."""
    found, name = draw(mutated(header)), draw(st.sampled_from(["nginx.conf", "live-blue.conf", "live-green.conf"]))

    def act(it: Site) -> None:
        path = it.state / "nginx" / name
        _, _, rest = _text(path).partition("\n")
        while rest.startswith(MORE):
            _, _, rest = rest.partition("\n")
        _bytes(path, HEADER.encode() + _json(found) + b"\n" + rest.encode())

    return act


COLUMNS = {
    "releases": (
        "created", "color", "outcome", "definition", "images", "services", "owner", "expect", "note", "revision",
        "subject", "previous", "restores", "figures",
    ),
    "operations": ("verb", "release", "target", "pid", "started", "ended", "outcome", "error"),
    "steps": ("phase", "step", "color", "started", "seconds", "outcome", "detail"),
    "runs": ("release", "kind", "name", "started", "ended", "outcome", "code", "output"),
}  # fmt: skip
CELLS = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=8),
    st.text(max_size=8).map(lambda text: text.encode(errors="replace").decode()), VALUES.map(json.dumps),
    st.sampled_from(["live", "prepared", "switched", "interrupted", "migrate", "blue", "2026-01-01T00:00:00+00:00"]),
)  # fmt: skip


@st.composite
def other_journal(draw: st.DrawFn) -> Act:
    """The journal's file is sound, and what is written in it is not."""
    table = draw(st.sampled_from(sorted(COLUMNS)))
    statements: list[tuple[str, tuple[Any, ...]]] = []
    for _ in range(draw(st.integers(1, 3))):
        cell = draw(CELLS)
        column = draw(st.sampled_from(COLUMNS[table]))
        statements.append((f"update or ignore {table} set {column} = ?", (cell,)))  # noqa: S608 - names of ours
    if draw(st.booleans()):
        statements.append(draw(st.sampled_from([
            (f"drop table {table}", ()), (f"alter table {table} rename to gone", ()),
            (f"pragma user_version = {SCHEMA_VERSION + 1}", ()), ("pragma user_version = 1", ()),
            (f"alter table {table} add column more", ()), ("delete from operations", ()),
            ("insert into runs (release, kind, name, started) values ('x', 'migrate', 1, 2)", ()),
        ])))  # fmt: skip

    def act(it: Site) -> None:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(it.state / "journal.db")) as db:
            for statement, values in statements:
                with contextlib.suppress(sqlite3.Error):
                    db.execute(statement, values)
            db.commit()

    return act


def other_link() -> st.SearchStrategy[Act]:
    def relink(name: str, to: str) -> Act:
        def act(it: Site) -> None:
            with contextlib.suppress(OSError, ValueError):
                _clear(it.state / "nginx" / name)
                (it.state / "nginx" / name).symlink_to(to)

        return act

    names = st.sampled_from(["route/live", "next-public", "next-passed"])
    return st.builds(relink, names, st.one_of(st.sampled_from(["blue", "green", "none", "/", "..", "live"]), ODD_TEXT))


def modes() -> st.SearchStrategy[Act]:
    def act(name: str, mode: int) -> Act:
        def change(it: Site) -> None:
            with contextlib.suppress(OSError):
                os.chmod(it.state / name, mode)

        return change

    return st.builds(act, st.sampled_from([".", *STATE_FILES]), st.sampled_from([0, 0o777, 0o4755]))


# -- what is typed, and what is in the environment

NEVER = {"--watch", "--follow", "--help"}  # the first two have no end


def _words(option: click.Option, value: str) -> list[str]:
    flag = max(option.opts, key=len)
    return [flag] if option.is_flag else [flag, value]


@st.composite
def typed(draw: st.DrawFn, verbs: list[str]) -> list[str]:
    """A verb with options that it has, most of them with values that it does not."""
    context = click.Context(cli)
    before: list[str] = []
    for name, value in draw(
        st.dictionaries(st.sampled_from(["-f", "-p", "--env-file", "--project-directory"]), INSIDE, max_size=1)
    ).items():
        before += [name, draw(st.sampled_from([value, "compose.yaml", "shop", "."]))]
    verb = draw(st.sampled_from(verbs))
    command = cli.get_command(context, verb)
    assert command is not None
    options = [it for it in command.params if isinstance(it, click.Option) and not NEVER & set(it.opts)]
    words = [verb]
    for option in draw(st.lists(st.sampled_from(options), max_size=3, unique_by=id)) if options else []:
        good = (
            list(option.type.choices) if isinstance(option.type, click.Choice) else ["1", "1s", "shop:2", "web=shop:2"]
        )
        words += _words(option, draw(st.one_of(st.sampled_from(good), INSIDE)))
    if any(isinstance(it, click.Argument) for it in command.params):
        words += draw(
            st.lists(st.one_of(st.sampled_from(["blue", "web", "1", "GET", "/", "bash"]), INSIDE), max_size=2)
        )
    return (
        [*before, *(["--yes"] if words == ["down"] else []), *words]
        if words != ["down"]
        else [*before, "down", "--yes"]
    )


VARIABLES = (
    "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_PATH_SEPARATOR", "COMPOSE_ENV_FILES",
    "BLUEGREEN_STATE_FOLDER", "XDG_STATE_HOME", "HOME", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_HOST", "TERM",
    "COLUMNS", "LANG", "LC_ALL", "USER", "LOGNAME", "TMPDIR", "NO_COLOR", "TAG",
)  # fmt: skip


def _in_environment(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def environments() -> st.SearchStrategy[dict[str, str | None]]:
    """Variables; None: not set."""
    value = st.one_of(st.none(), INSIDE.filter(_in_environment))
    return st.dictionaries(st.sampled_from(VARIABLES), value, max_size=2)
