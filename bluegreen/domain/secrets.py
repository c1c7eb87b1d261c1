"""Values that must not be shown: the variables, secrets and configs of a release, remembered to be masked.

In a traceback every value is masked. In the output of an application, a build, a migration or a hook, harmless values
stay, because a person reads it (see harmless.py). All others are masked, also in the forms in which programs write
them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from bluegreen.domain.harmless import SHORTEST, harmless, says_secret, tells

MASK = "*****"
WHOLE = 8  # characters; a shorter piece is masked where it is a word of its own, not within a longer word
PIECE = 6  # characters of a part of a value that is masked by itself
ENCODED = 6  # characters of what is masked in its encoded forms, too
LINE = 8  # characters of one line of several
CUT = "..."  # where a text was shortened
NAMED = ("secrets", "configs", "services", "networks", "volumes")
BEFORE_AT = re.compile(r"://([^/?#\s]*)@")  # of an address: who asks
AFTER_HOST = re.compile(r"://[^/?#\s]*/([^\s]{6,})")  # of an address: what a log shows of a request
PAIR = re.compile(r"([A-Za-z][A-Za-z0-9_.\- ]{0,40}?)[\"']?\s*[=:]\s*(\"[^\"]*\"|'[^']*'|[^\s;&,}\"']+)")
BREAKS = re.compile(r"[\s,;&?=|\"'<>{}\[\]()]+")
_known: set[str] = set()
_secret: set[str] = set()
_names: set[str] = set()  # of services and the like: harmless
_forms: list[str] = []  # of _secret, the longest first; made when first needed


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable with this name and value must not be written down."""
    return len(value) >= SHORTEST and not harmless(name, value) and (says_secret(name) or tells(value))


def remember(document: Mapping[str, Any]) -> None:
    """Remembers the values of environments, build arguments and contents of a resolved Compose document."""
    _names.update({str(document.get("name") or "")}, *(document.get(kind) or {} for kind in NAMED))
    for service in (document.get("services") or {}).values():
        build = service.get("build") if isinstance(service.get("build"), Mapping) else {}
        for values in (service.get("environment"), (build or {}).get("args")):
            remember_variables(values if isinstance(values, Mapping) else {})
    for headers in _headers(document.get("x-bluegreen")):
        remember_variables(headers)
    remember_variables(dict(_webhooks(document.get("x-bluegreen"))))
    remember_variables(_canary(document.get("x-bluegreen")))
    for entry in (document.get("secrets") or {}).values():
        if isinstance(entry, Mapping):
            remember_variables({"secret": entry.get("content")})
    for entry in (document.get("configs") or {}).values():
        if isinstance(entry, Mapping) and isinstance(entry.get("content"), str):
            remember_config(entry["content"])


def _canary(block: Any) -> Mapping[str, object]:
    """The secret of testers, by a name that says that it is one."""
    canary = block.get("canary") if isinstance(block, Mapping) else None
    return {"secret": canary.get("secret")} if isinstance(canary, Mapping) else {}


def _headers(block: Any) -> Iterator[Mapping[str, object]]:
    """The headers of all health checks. The block is not validated yet, so it can have any shape."""
    services = block.get("services") if isinstance(block, Mapping) else None
    there = [block, *(services.values() if isinstance(services, Mapping) else ())]
    for policy in (it.get("health") for it in there if isinstance(it, Mapping)):
        headers = policy.get("headers") if isinstance(policy, Mapping) else None
        if isinstance(headers, Mapping):
            yield {str(name): value for name, value in headers.items()}


def _webhooks(block: Any) -> Iterator[tuple[str, object]]:
    """The URLs of `notify`, each under a name of a secret."""
    found = block.get("notify") if isinstance(block, Mapping) else None
    for number, url in enumerate(found if isinstance(found, list) else [found]):
        yield f"webhook {number}", url


def remember_variables(values: Mapping[str, object]) -> None:
    """Remembers variables by their names and values."""
    for name, value in values.items():
        if isinstance(value, str) and value.strip():
            _known.update([value] if len(value) >= PIECE else [])
            _take(_pieces(name, value))


def remember_config(text: str) -> None:
    """Remembers the values of a settings file that are secrets, by their keys or by themselves."""
    _known.update([text] if len(text) >= PIECE else [])
    for name, value in _pairs(text):
        if looks_secret(name, value):
            _take(_pieces(name, value))


def masked(text: str) -> str:
    """The text without any of the remembered values."""
    for value in sorted(_known | _secret, key=len, reverse=True):  # the longest go first, one may contain another
        text = text.replace(value, MASK).replace(repr(value)[1:-1], MASK)
    return without_secrets(text)


def without_secrets(text: str) -> str:
    """The text without the remembered values that are not harmless."""
    if not _secret:
        return text
    if not _forms:
        _forms.extend(sorted({form for value in _secret for form in _written(value)}, key=len, reverse=True))
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK) if len(form) >= WHOLE else _alone(form).sub(MASK, text)
    return _without_beginnings(text) if CUT in text else text


def _take(pieces: Iterator[str]) -> None:
    before = len(_secret)
    _secret.update(pieces)
    if len(_secret) != before:
        _forms.clear()


def _pieces(name: str, value: str) -> Iterator[str]:
    """What must be masked of a value: all of it, and the parts that may be written alone."""
    text = value.strip()
    if harmless(name, text, _names):
        return
    yield text
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= LINE)
    for part in _parts(text):
        if len(part) >= SHORTEST:
            yield part


def _parts(text: str) -> Iterator[str]:
    for found in BEFORE_AT.findall(text):
        password = found.partition(":")[2] or ("" if harmless("", found, _names) else found)
        yield from (password, unquote(password))
    if found := AFTER_HOST.search(text):
        yield found[1]
    for name, value in _pairs(text):
        if not harmless(name, value, _names):
            yield from (value, unquote(value))
    for part in BREAKS.split(text):
        yield from (piece for piece in (part, *re.split(r"[/@:]", part)) if _is_piece(piece))


def _is_piece(text: str) -> bool:
    """Whether a part of a value is masked by itself: it is long, and not a common word or path."""
    return len(text) >= PIECE and not harmless("", text, _names) and not text.startswith("//")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    yield from ((name.strip(), value.strip("\"'")) for name, value in PAIR.findall(text))


def _written(value: str) -> Iterator[str]:
    """A value as programs write it: plain, quoted, in an address, in base64 at any offset, in hexadecimals."""
    yield value
    yield from (repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    if len(value) < ENCODED:
        return
    encoded = {quote(value), quote(value, safe=""), quote_plus(value)}
    yield from encoded
    yield from (re.sub("%..", lambda found: found[0].lower(), text) for text in encoded)
    raw = value.encode(errors="surrogateescape")
    yield from (raw.hex(), raw.hex().upper())
    for shift, left_out in ((0, 0), (1, 2), (2, 3)):
        whole = (shift + len(raw)) * 8 // 6
        text = base64.b64encode(bytes(shift) + raw).decode()[left_out:whole]
        if len(text) >= WHOLE:
            yield from (text, text.replace("+", "-").replace("/", "_"))


def _alone(form: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])){re.escape(form)}(?![A-Za-z0-9])")


def _without_beginnings(text: str) -> str:
    """Masks the beginnings of values where a text was cut."""
    for place in reversed([found.start() for found in re.finditer(re.escape(CUT), text)]):
        before = text[:place]
        longest = max((_overlap(before, form) for form in _forms if len(form) > SHORTEST), default=0)
        if longest >= SHORTEST:
            text = f"{before[:-longest]}{MASK}{text[place:]}"
    return text


def _overlap(text: str, form: str) -> int:
    """How many characters at the end of a text are the beginning of a value."""
    most = min(len(form) - 1, len(text))
    return next((length for length in range(most, SHORTEST - 1, -1) if text.endswith(form[:length])), 0)


def forget() -> None:
    """Forgets all values, as at the start of a process."""
    for it in (_known, _secret, _names):
        it.clear()
    _forms.clear()
