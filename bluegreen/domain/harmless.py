"""Which values of environment variables are harmless: logs may show them. Pure.

All other values are masked where output of the application is shown or kept, whatever their names are. In doubt a value
is masked: numbers, switches, levels, paths, hosts, plain addresses and single words are harmless; what looks random,
and
what has the form user:password@, is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection

SHORTEST = 4  # characters; a shorter value is masked only when its name says that it is a secret
# Names of secrets. The path of a file is no secret, even if the file has one.
SECRET = re.compile(
    r"pass|pwd|secret|token|credential|auth(?!or)|authoriz|salt|dsn|private|hook|signature|license|cookie"
    r"|(?<![a-z])keys?(?![a-z])|(?:api|access|account|master|signing|encryption|ssh|crypt)keys?(?![a-z])"
    r"|(?:^|[_\-.])(?:pw|pin|otp|jwt|sig|sas|pat|cert|code)(?:$|[_\-.\d])",
    re.IGNORECASE,
)
OF_A_FILE = re.compile(r"(?:_|^)(?:FILE|PATH|DIR|DIRECTORY|HOME)$", re.IGNORECASE)
OF_A_VERSION = re.compile(r"(?:^|_)(?:VERSION|COMMIT|REVISION|SHA|REF|BRANCH|IMAGE|TAG)$", re.IGNORECASE)
# Values that are secrets whatever their name is: a password in an address, token=…, a private key.
TELLS = re.compile(
    r"[a-z][a-z0-9+.\-]*://[^/@\s]*:[^/@\s]+@|\bhooks?\.|webhook|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|account[-_ ]?key|sig|signature"
    r"|credential|sharedaccesskey)[\"']?\s*[=:]\s*[^\s;&,]",
    re.IGNORECASE,
)

OFF_AND_ON = "true false yes no on off none null nil auto default enabled disabled enable disable always never"
READ_EVERYWHERE = """
    production development staging testing integration prod dev stage test local localhost debug info notice warning
    warn error critical fatal trace verbose quiet silent console json text plain html utf utf8 ascii utc gmt posix
    internal external database postgres postgresql mysql mariadb sqlite mongodb redis valkey rabbitmq memcached
    elasticsearch opensearch kafka nginx gunicorn uvicorn celery django flask fastapi starlette node python
    application service services server servers worker workers scheduler frontend backend gateway public private
    master replica primary secondary read write only readonly readwrite require required optional prefer preferred
    verify full asyncio asyncpg psycopg psycopg2 aiosqlite uvloop httptools lax strict secure insecure simple standard
    us eu ap af sa me ca central east west north south northeast southeast northwest southwest region zone
    http https tcp udp tls ssl amqp amqps smtp smtps ldap api app web www db cache queue mail svc cluster com net org
    io health ready live status metrics static media assets uploads blue green
"""
SWITCHES = frozenset(OFF_AND_ON.split())
COMMON = SWITCHES | frozenset(READ_EVERYWHERE.split())
NUMBER = re.compile(
    r":\d{1,5}|[+-]?\d{1,5}(?:[.,]\d{1,6})?\s?(?:ms|us|s|m|min|h|d|w|[kmgt]i?b?|b|%)?|[1-9]\d{0,5}0{3,9}",
    re.IGNORECASE,
)
SIZE, SIZES = 1024, 13  # a size in bytes is a multiple of the first, with at most so many digits
VERSION = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){1,3}(?:[-+.]?(?:a|b|rc|alpha|beta|dev|post|slim|alpine)\.?\d{0,3})?")
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:?\d\d)?)?|\d\d:\d\d(?::\d\d)?")
REFERENCE = re.compile(r"[\w][\w.\-/:@+]{0,127}")  # of a version: an image, a branch, a hash
WORD = re.compile(r"(?=.*[aeiouyAEIOUY])(?!.*[^aeiouyAEIOUY]{5})(?:[a-z]{1,8}|[A-Z]{1,8}|[A-Z][a-z]{1,7})")
NAMED = re.compile(r"([A-Za-z]+)(\d{1,3})")  # web1, sha256
SENTENCE = 3  # words side by side, at most
DOTTED = re.compile(r"[A-Za-z_]{1,20}(?:[.:][A-Za-z_]{1,20})+")  # a module, an attribute in it
LABEL = re.compile(r"[A-Za-z]{1,14}\d{0,2}|\d{1,3}")
HOST = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?)*)\.?(:\d{1,5})?"
)
ADDRESS = re.compile(  # IPv4, or IPv6
    r"\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?:/\d{1,2})?"
    r"|\[?(?=[^:]*:[^:]*:)[0-9A-Fa-f:]{2,39}\]?(?::\d{1,5})?(?:/\d{1,3})?"
)
TINT = re.compile(r"#(?:[0-9A-Fa-f]{3}){1,2}")
URL = re.compile(r"(?:jdbc:)?[a-z][a-z0-9+.\-]*://([^/?#@]*)(/[^?#]*)?", re.IGNORECASE)
PATH = re.compile(r"(?:~|\.{1,2})?/[^\s?#=&@:]*|[A-Za-z0-9_\-]+(?:/[A-Za-z0-9_.\-]+)+")
LOCALE = re.compile(
    r"(?:[a-z]{2,3}(?:[_-][A-Z]{2})?|C|POSIX)(?:\.[A-Za-z]{2,5}-?\d{0,5})?(?:@[a-z]+)?|[A-Z][a-z]+/[A-Za-z_]+"
)
RANDOM = re.compile(r"(?=[^A-Za-z]*[A-Za-z])(?=[^0-9]*[0-9])[A-Za-z0-9]{7,}|[A-Za-z0-9]{25,}")
OF_VISITORS = (
    "services",
    "hook",
    "hooks",
    "webhook",
    "webhooks",
    "api",
)  # a path under these may be a secret by itself (webhooks)


def says_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    return bool(SECRET.search(name)) and not OF_A_FILE.search(name) and name not in ("PWD", "OLDPWD")


def tells(value: str) -> bool:
    """Whether a value shows by itself that it has a secret in it."""
    return bool(TELLS.search(value))


def harmless(name: str, value: str, known: Collection[str] = ()) -> bool:
    """Whether anybody may read a variable's value. `known`: names of services, networks and so on."""
    text = value.strip()
    if not text or text.lower() in SWITCHES:
        return True
    if tells(text):
        return False
    if says_secret(name):
        found = URL.fullmatch(text)
        return bool(found and not (found[2] or "").strip("/")) and _plain(text, known)
    if len(text) < SHORTEST or (OF_A_VERSION.search(name) and REFERENCE.fullmatch(text)):
        return True
    return all(_plain(part, known) for part in re.split(r"\s*[,;]\s*", text))


def _plain(text: str, known: Collection[str]) -> bool:
    words = text.split(" ")
    if len(words) > 1:
        return len(words) <= SENTENCE and all(_is_word(word.strip(".!?:'\""), known) for word in words)
    if _is_word(text, known):
        return True
    if found := URL.fullmatch(text):
        return (not found[1] or _is_host(found[1], known)) and _is_end(found[1], found[2] or "", known)
    return _is_host(text, known) or bool(ADDRESS.fullmatch(text)) or _is_path(text)


def _is_word(text: str, known: Collection[str]) -> bool:
    """One word, number, moment or name."""
    if not text or text in known or text.lower() in COMMON or _is_size(text):
        return True
    if any(it.fullmatch(text) for it in (NUMBER, VERSION, DATE, WORD, LOCALE, DOTTED, TINT)):
        return True
    if found := NAMED.fullmatch(text):
        return found[1] in known or found[1].lower() in COMMON
    parts = re.split(r"[-_]", text)
    return (
        len(parts) > 1
        and all(part in known or part.lower() in COMMON or part.isdecimal() for part in parts)
        and (sum(map(len, filter(str.isdecimal, parts))) <= SHORTEST)
    )


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= SIZES and int(text) % SIZE == 0


def _is_host(text: str, known: Collection[str]) -> bool:
    found = HOST.fullmatch(text)
    if found is None:
        return False
    host = found[1]
    if host in known or (found[2] and _is_word(host, known)):
        return True
    labels = host.split(".")
    whole = all(LABEL.fullmatch(part) for label in labels for part in label.split("-"))
    return len(labels) > 1 and whole and (len(labels[-1]) > 1 or host.replace(".", "").isdecimal())


def _is_end(host: str, path: str, known: Collection[str]) -> bool:
    """Whether what follows a host in an address is a plain path, and no secret."""
    parts = [part for part in path.split("/") if part]
    if any(part.lower() in OF_VISITORS for part in (*parts, *host.split("."))) and len(parts) > 1:
        return all(part.lower() in COMMON or part.isdecimal() for part in parts)
    return len(parts) <= SENTENCE and all(_is_word(part, known) or _is_path(f"/{part}") for part in parts)


def _is_path(text: str) -> bool:
    """A path, or several with colons between them, without parts that look random."""
    return all(
        PATH.fullmatch(path) is not None and not any(RANDOM.fullmatch(part) for part in re.split(r"[/._\-+]", path))
        for path in text.split(":")
    )
