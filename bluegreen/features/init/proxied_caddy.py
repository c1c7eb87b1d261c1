"""What a Caddyfile does, or `caddy reverse-proxy`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.features.init.passes import Does, Passed, path_of

UPSTREAM = re.compile(r"^(?:https?://)?(?P<host>[\w.-]+)(?::(?P<port>\d+))?$")
OWN = {
    "file_server": "static files", "basic_auth": "passwords", "basicauth": "passwords", "forward_auth": "passwords",
    "rewrite": "rewritten paths", "uri": "rewritten paths", "rate_limit": "limits", "php_fastcgi": "FastCGI",
    "tls": "TLS", "header": "headers of its own", "redir": "redirects",
}  # fmt: skip
PLAIN = re.compile(r"^(?:http://.*|:\d+|\*:\d+|.*:80|0\.0\.0\.0.*)$")
VARIABLE = re.compile(r"\{\$\w+(?::(?P<default>[^}]*))?\}")


def read(text: str) -> Does:
    """One Caddyfile, or the command of a Caddy without one."""
    if "reverse_proxy" not in text and "file_server" not in text:
        return _command(text)
    own, passed = [], []
    for site, line, path, stripped in _lines(text):
        words = line.split()
        if words[0] == "reverse_proxy":
            passed += list(_passed(site, words[1:], path, stripped))
        elif words[0] in OWN and words[1:2] != ["off"]:
            own.append(OWN[words[0]])
        if site and not all(PLAIN.match(it) for it in site):
            own.append("TLS")
    return Does("caddy", tuple(dict.fromkeys(own)), tuple(dict.fromkeys(passed)), True)


def _command(text: str) -> Does:
    to = re.search(r"reverse-proxy\b.*--to[= ]+(?:https?://)?([\w.-]+):?(\d+)?", text)
    if not to:
        return Does("caddy")
    source = re.search(r"--from[= ]+(\S+)", text)
    own = ("TLS",) if source and not PLAIN.match(source[1]) else ()
    return Does("caddy", own, (Passed(to[1], int(to[2] or 80)),), True)


def _lines(text: str) -> Iterator[tuple[list[str], str, str, bool]]:
    """(addresses of the site, directive, path of its matcher, whether that is taken away) for each line."""
    site: list[str] = []
    opened: list[tuple[str, bool]] = []  # of each brace: the path that it is for
    matchers = dict(re.findall(r"^[ \t]*(@\w+)\s+path\s+(\S+)", text, re.MULTILINE))
    for raw in text.splitlines():
        line = re.sub(r"(?:^|\s)#.*", "", VARIABLE.sub(lambda it: it["default"] or "site.example", raw)).strip()
        if line == "}":
            if opened:
                opened.pop()
            site = site if opened else []
            continue
        opens = line.endswith("{")
        words = line.removesuffix("{").strip()
        if opens and not opened:
            site = [it.strip(",") for it in words.replace(",", " ").split()]
        elif words and not opened and not site:
            site = [it.strip(",") for it in words.replace(",", " ").split()]  # a file of one site without braces
            continue
        elif words:
            path, stripped = opened[-1] if opened else ("/", False)
            first = words.split()
            given = matchers.get(first[1], first[1]) if len(first) > 1 else ""
            if given.startswith("/"):
                path, stripped = path_of(given), stripped or first[0] == "handle_path"
            yield site, words, path, stripped
            if opens:
                opened.append((path, stripped))
            continue
        if opens:
            opened.append(("/", False))


def _passed(site: list[str], words: list[str], path: str, stripped: bool) -> Iterator[Passed]:
    host = site[0].partition("://")[2] or site[0] if len(site) == 1 else ""
    named = host if "." in host and host != "site.example" and ":" not in host and not PLAIN.match(site[0]) else None
    for word in words:
        found = UPSTREAM.match(word)
        if found and not word.startswith(("/", "@", "*")):
            yield Passed(found["host"], int(found["port"] or 80), path, named, stripped)
