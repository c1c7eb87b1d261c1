"""What a service's own health check asks for, in all the ways in which people write it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bluegreen.features.init.kinds import Service

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?[-?](?P<default>[^}]*))?\}|(?P<plain>\w+))")
HOST = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|%s)"
PORT_PATH = r"(?::(?P<port>\d{1,5}))?(?P<path>/[^\s\"'`|;&?#)<>\\]*)?(?:\?[^\s\"'`|;&)]*)?"
QUOTED_PATH = re.compile(r"[\"'](?P<path>/[A-Za-z0-9_./-]*)[\"']")
QUOTED_PORT = re.compile(
    r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0)[\"']?\s*,\s*(?:port\s*[=:]\s*)?(\d{2,5})|port\s*[=:]\s*(\d{2,5})"
)
TCP = re.compile(r"(?:\bnc\b(?:\s+-\w+)*\s+\S+\s+|/dev/tcp/[^/\s]+/|\bwait-for-it(?:\.sh)?\s+\S+:)(\d{2,5})")
COMPUTED = re.compile(  # '…' + (process.env.PORT || 3000) + '…', '…' + os.environ.get('PORT', '8000') + '…', and in {}
    r"(?:[\"'`]\s*\+\s*\(?|\$?\{)\s*(?:process\.env\.(?P<js>\w+)\s*(?:\|\||\?\?)\s*[\"']?(?P<a>\d+)[\"']?"
    r"|os\.(?:getenv|environ\.get)\(\s*[\"'](?P<py>\w+)[\"']\s*,\s*[\"']?(?P<b>\d+)[\"']?\s*\))\s*(?:\)?\s*\+\s*[\"'`]|\})"
)
ASKS = re.compile(r"\b(?:curl|wget|http|httpie|xh|fetch|urlopen|requests|httpx|http\.get|HTTPConnection|HttpRequest)\b")


def asked(service: Service, name: str = "", test: Any = None) -> tuple[int | None, str | None]:
    """(port, path) that a health check asks for; each None when it does not say.

    `test` in place of the service's own: that of its Dockerfile.
    """
    if test is None:
        test = (service.get("healthcheck") or {}).get("test") or []
    text = test if isinstance(test, str) else " ".join(map(str, test))
    if not text or text == "NONE" or (service.get("healthcheck") or {}).get("disable"):
        return None, None
    text = filled_in(_joined(text, service.get("environment") or {}), service.get("environment") or {})
    own = [re.escape(it) for it in (name, str(service.get("container_name") or ""), "$HOSTNAME") if it]
    host = HOST % "|".join(own or ["localhost"])
    found = re.search(rf"(?P<scheme>https?)://{host}{PORT_PATH}(?=$|[\s\"'`|;&)<>\\?#])", text)
    if found:
        return int(found["port"] or (443 if found["scheme"] == "https" else 80)), _path(found["path"])
    if not ASKS.search(text):
        tcp = TCP.search(text)
        return (int(tcp[1]), None) if tcp else (None, None)
    found = re.search(rf"(?<![\w/@.-]){host}{PORT_PATH}(?=$|[\s\"'`|;&)<>\\?#])", text)
    if found and (found["port"] or found["path"] or re.search(r"\b(?:curl|wget)\b", text)):
        return int(found["port"] or 80), _path(found["path"])
    port, path = QUOTED_PORT.search(text), QUOTED_PATH.search(text)
    return (int(port[1] or port[2]) if port else None), (path["path"] if path else None)


def _joined(text: str, environment: Mapping[str, Any]) -> str:
    """A port that a script puts in from its environment, in place of the words that do it."""
    return COMPUTED.sub(lambda it: str(environment.get(it["js"] or it["py"]) or it["a"] or it["b"]), text)


def filled_in(text: str, environment: Mapping[str, Any]) -> str:
    """Variables of the container's shell replaced by what its environment says; `$$` was Compose's `$`."""

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        found = environment.get(name)
        if found is not None:
            return str(found)
        return match["default"] or match[0] if match["default"] is not None else match[0]

    return VARIABLE.sub(value, text)


def _path(text: str | None) -> str:
    return text if text and "$" not in text and "{" not in text else "/"
