"""What an nginx configuration does. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bluegreen.features.init.passes import Does, Passed, path_of

TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[{};]|(?:\$\{\w+\}|[^\s{};\"'])+|#[^\n]*")
PASS = re.compile(r"^(?:\w+://)?(?P<host>[\w.-]+)(?::(?P<port>\d+))?(?P<uri>/.*)?$")
OWN = {
    "auth_basic": "passwords", "auth_request": "passwords", "rewrite": "rewritten paths", "limit_req": "limits",
    "proxy_cache": "a cache", "allow": "addresses that may come in", "deny": "addresses that may come in",
    "fastcgi_pass": "FastCGI", "uwsgi_pass": "uWSGI", "grpc_pass": "gRPC", "sub_filter": "changed answers",
}  # fmt: skip
POOL = re.compile(r"^content-type$|pool|release|upstream|colou?r|served|backend|version|instance", re.IGNORECASE)
DEEPEST = 20


@dataclass
class _Directive:
    name: str
    arguments: list[str]
    children: list[_Directive] = field(default_factory=list)


@dataclass(frozen=True)
class _Place:
    host: str | None
    path: str
    plain: bool  # a prefix, not a pattern


def read(texts: Iterable[str]) -> Does:
    """All texts of one nginx together: an upstream may be in another file than the server."""
    tree = [it for text in texts for it in _parsed(text)]
    if not tree:
        return Does()
    everything = list(_all(tree))
    upstreams = {
        it.arguments[0]: [server.arguments[0] for server in it.children if server.name == "server" and server.arguments]
        for it in everything if it.name == "upstream" and it.arguments
    }  # fmt: skip
    values = {it.arguments[0]: it.arguments[1] for it in everything if it.name == "set" and len(it.arguments) > 1}
    passed: list[Passed] = []
    for server in [it for it in everything if it.name == "server" and it.children]:
        names = [name for it in server.children if it.name == "server_name" for name in it.arguments]
        passed += _passed(server.children, _Place(_host(names), "/", True), upstreams, values)
    return Does(own=tuple(dict.fromkeys(_own(everything))), passed=tuple(dict.fromkeys(passed)), read=True)


def _parsed(text: str) -> list[_Directive]:
    tokens = [it for it in TOKEN.findall(text) if not it.startswith("#")]
    found, _ = _block(tokens, 0, DEEPEST)
    return found


def _block(tokens: Sequence[str], at: int, deep: int) -> tuple[list[_Directive], int]:
    found: list[_Directive] = []
    words: list[str] = []
    while at < len(tokens):
        word = tokens[at]
        at += 1
        if word == "}":
            break
        if word == ";":
            if words:
                found.append(_Directive(words[0], words[1:]))
            words = []
        elif word == "{":
            children, at = _block(tokens, at, deep - 1) if deep else ([], at)
            if words:
                found.append(_Directive(words[0], words[1:], children))
            words = []
        else:
            words.append(word.strip("\"'"))
    return found, at


def _all(tree: Iterable[_Directive]) -> Iterator[_Directive]:
    for it in tree:
        yield it
        yield from _all(it.children)


def _host(names: Sequence[str]) -> str | None:
    """The host name of a server with one; www and its bare name are one host too many to tell."""
    real = [
        it for it in names if "." in it and "$" not in it and not it.startswith("~") and not re.match(r"[\d.]+$", it)
    ]
    return real[0] if len(real) == 1 and real[0] != "localhost" else None


def _passed(
    children: Sequence[_Directive], place: _Place, upstreams: dict[str, list[str]], values: dict[str, str]
) -> Iterator[Passed]:
    for it in children:
        if it.name == "location" and it.arguments:
            yield from _passed(it.children, _location(it.arguments, place.host), upstreams, values)
        elif it.name in ("if", "limit_except"):
            yield from _passed(it.children, place, upstreams, values)
        elif it.name == "proxy_pass" and it.arguments:
            target = re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(f"${found[1]}", ""), it.arguments[0])
            match = PASS.match(target)
            if not match:
                continue
            uri = match["uri"]
            stripped = uri is not None and place.path != "/" and path_of(uri) != place.path
            for address in upstreams.get(match["host"], [f"{match['host']}:{match['port'] or 80}"]):
                host, _, port = address.partition(":")
                yield Passed(host, int(port) if port.isdigit() else 80, place.path, place.host, stripped)


def _location(arguments: Sequence[str], host: str | None) -> _Place:
    if arguments[0] in ("=", "^~"):
        return _Place(host, path_of(arguments[1]), True)
    if arguments[0] in ("~", "~*") and len(arguments) > 1:
        found = re.match(r"\^(/[\w-]+(?:/[\w-]+)*)", arguments[1])
        return _Place(host, path_of(found[1]), False) if found else _Place(host, "/", False)
    return _Place(host, path_of(arguments[0]), True)


def _own(everything: Sequence[_Directive]) -> Iterator[str]:
    for it in everything:
        if it.name.startswith("ssl_certificate") or (it.name == "listen" and "ssl" in it.arguments):
            yield "TLS"
        elif it.name in OWN and it.arguments[:1] not in (["off"], ["all"]):
            yield OWN[it.name]
        elif it.name == "add_header" and it.arguments and not POOL.search(it.arguments[0]):
            yield "headers of its own"
        elif (it.name == "location" and _serves(it)) or (
            it.name == "server"
            and _serves(it)
            and not any(
                child.name == "location" and _passes(child) and child.arguments[-1] == "/" for child in it.children
            )
        ):
            yield "static files"
        elif it.name == "return" and len(it.arguments) > 1 and it.arguments[1].startswith("https://"):
            yield "TLS"


def _serves(it: _Directive) -> bool:
    """Whether it answers with files; the page of an error is none."""
    if it.name == "location" and it.arguments and re.search(r"50x|error|acme-challenge", it.arguments[-1]):
        return False
    return not _passes(it) and any(child.name in ("root", "alias", "try_files") for child in it.children)


def _passes(it: _Directive) -> bool:
    return any(child.name == "proxy_pass" for child in it.children)
