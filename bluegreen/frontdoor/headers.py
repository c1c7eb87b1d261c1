"""The headers that a service gets with a request: ours, what only a trusted proxy may say, and the person's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bluegreen.files import read

OURS: tuple[tuple[str, str], ...] = (
    ("Host", "$bg_host"),
    ("Connection", "$bg_connection"),
    ("Upgrade", "$bg_upgrade"),
    ("HTTP2-Settings", '""'),
    ("X-Real-IP", "$bg_client"),
    ("X-Forwarded-For", "$bg_client"),
    ("X-Forwarded-Proto", "$bg_forwarded_proto"),
    ("X-Forwarded-Host", "$bg_forwarded_host"),
    ("X-Forwarded-Port", "$bg_forwarded_port"),
    ("X-Request-ID", "$bg_request_id"),
    ("X-Bluegreen-Port", '""'),
    ("Proxy", '""'),
)
# Frameworks believe these (Rack and Rails, Werkzeug's ProxyFix, Gunicorn, Spring, Symfony, IIS and ASP.NET, what is
# behind a CDN), so they pass from a trusted proxy only.
BELIEVED = (
    "Forwarded", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Protocol",
    "X-Forwarded-Server", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-User",
    "X-Url-Scheme", "X-Scheme",
    "Front-End-Https", "X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Original-Host", "X-Original-For",
    "X-Original-Proto", "X-Script-Name", "Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP",
)  # fmt: skip


ADDED = {"X-Forwarded-Prefix": "$bg_taken_off"}  # what nginx itself has to add to it
# Gunicorn believes these of a proxy that it trusts (its setting forwarder_headers); they have no other spelling.
BELIEVED_AS_THEY_ARE = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REMOTE_ADDR")


def sent(own: Sequence[str] = (), underscores: bool = False) -> list[tuple[str, str]]:
    """(header, value) of each line, except for the headers that the person's own lines set.

    With `underscores` passed on, no other spelling of a header that is set here or there arrives: WSGI, CGI and Rack
    take X_Forwarded_For for X-Forwarded-For.
    """
    theirs = {name.lower() for name in own}
    found = [*OURS, *((name, f"$bg_{variable(name)}{ADDED.get(name, '')}") for name in BELIEVED)]
    if underscores:
        known = dict.fromkeys([*(name for name, _ in found), *(name.strip("\"'") for name in own)])
        spelled = [spelling for name in known for spelling in spellings(name)]
        found += [(name, '""') for name in dict.fromkeys([*spelled, *BELIEVED_AS_THEY_ARE])]
    return [(name, value) for name, value in found if name.lower() not in theirs]


def spellings(header: str) -> list[str]:
    """Every other one of a header with `_` for some or all of its `-`."""
    first, *rest = header.split("-")
    found = [first]
    for part in rest:
        found = [f"{start}{sign}{part}" for start in found for sign in "-_"]
    return found[1:]


def variable(header: str) -> str:
    """As nginx spells a header in the name of a variable: $http_x_real_ip."""
    return header.lower().replace("-", "_")


class Lines:
    """The `proxy_set_header` lines of a folder of snippets that are outside of any block.

    nginx gives a level's lines to what is below it only where nothing below has lines of its own, so ours and theirs
    must be in the same block. Source: nginx's documentation of proxy_set_header.
    """

    def __init__(self, folder: Path | None) -> None:
        self.server = [line for file in _files(folder, "*.conf") for line in _set_headers(file)]
        self.http = [line for file in _files(folder, "http/*.conf") for line in _set_headers(file)]

    @property
    def names(self) -> list[str]:
        """The headers that they set."""
        return [words[1].strip("\"'") for words in (*self.server, *self.http)]

    @property
    def repeated(self) -> list[str]:
        """Lines for around the servers, as text: ours in each server would take their place."""
        mine = {words[1].lower() for words in self.server}
        return [" ".join(words) for words in self.http if words[1].lower() not in mine]


def _files(folder: Path | None, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder else []


def _set_headers(file: Path) -> list[list[str]]:
    statements = _statements(read(str(file)).decode(errors="replace"))
    return [words for words in statements if words[0] == "proxy_set_header" and len(words) == 3]


def _statements(text: str) -> Iterator[list[str]]:
    """The words of each directive that is in no block, as they are written, quotes included."""
    depth = 0
    words: list[str] = []
    for word in _words(text):
        if word == "{":
            depth, words = depth + 1, []
        elif word == "}":
            depth, words = max(0, depth - 1), []
        elif word == ";":
            if words and not depth:
                yield words
            words = []
        else:
            words.append(word)


def _words(text: str) -> Iterator[str]:
    word, quote, at = "", "", 0
    while at < len(text):
        char = text[at]
        if quote:
            word += text[at : at + 2] if char == "\\" else char
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char == "\\":
            word += text[at : at + 2]
            at += 1
        elif char in "\"'" and not word:
            word, quote = char, char
        elif char == "#" and not word:
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif char == "{" and word.endswith("$"):  # ${variable}
            end = text.find("}", at) if "}" in text[at:] else len(text)
            word += text[at : end + 1]
            at = end
        elif char.isspace() or char in ";{}":
            if word:
                yield word
            word = ""
            if char in ";{}":
                yield char
        else:
            word += char
        at += 1
