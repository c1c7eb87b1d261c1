"""Compose files as Compose resolves them, for fast tests of `init`: only the keys that it reads, and no Compose.

tests/e2e/test_init_corpus.py holds it against the real Compose.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::?(?P<how>[-?+])(?P<default>[^}]*))?\}|\$(?P<plain>\w+)")
PORT = re.compile(
    r"^(?:(?P<ip>\[[^\]]+\]|\d+\.[\d.]+):)?(?:(?P<published>[\d-]*):)?(?P<target>\d+)(?:/(?P<protocol>\w+))?$"
)


def resolve(text: str, folder: str = "/srv/shop") -> dict[str, Any]:
    """The document of a Compose file that lies in `folder`."""
    document = yaml.safe_load(text)
    found = _filled(document)
    services = {name: _service(service or {}, folder) for name, service in sorted(found.get("services", {}).items())}
    return {"name": PurePosixPath(folder).name, **found, "services": services}


def _filled(value: Any) -> Any:
    if isinstance(value, str):
        return VARIABLE.sub(
            lambda it: "$" if it[0] == "$$" else (it["default"] or "") if it["how"] == "-" else "", value
        )
    if isinstance(value, Mapping):
        return {key: _filled(entry) for key, entry in value.items()}
    return [_filled(entry) for entry in value] if isinstance(value, list) else value


def _service(service: dict[str, Any], folder: str) -> dict[str, Any]:
    found = dict(service)
    if "build" in found:
        build = {"context": found["build"]} if isinstance(found["build"], str) else dict(found["build"])
        build["context"] = _path(build.get("context", "."), folder)
        found["build"] = {"dockerfile": "Dockerfile", **build}
    for key in ("environment", "labels"):
        if key in found:
            found[key] = _mapping(found[key])
    for key in ("command", "entrypoint"):
        if isinstance(found.get(key), str):
            found[key] = shlex.split(found[key])
    if isinstance(found.get("depends_on"), list):
        found["depends_on"] = {name: {"condition": "service_started", "required": True} for name in found["depends_on"]}
    if isinstance((found.get("healthcheck") or {}).get("test"), str):
        found["healthcheck"] = {**found["healthcheck"], "test": ["CMD-SHELL", found["healthcheck"]["test"]]}
    found |= {key: [_port(it) for it in found[key]] for key in ("ports",) if key in found}
    found |= {key: [_volume(it, folder) for it in found[key]] for key in ("volumes",) if key in found}
    if isinstance(found.get("networks"), list):
        found["networks"] = dict.fromkeys(found["networks"])
    return found


def _path(text: str, folder: str) -> str:
    path = PurePosixPath(folder, text)
    return str(path) if path.is_absolute() else text


def _mapping(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): "" if entry is None else str(entry) for key, entry in value.items()}
    pairs = [str(entry).partition("=") for entry in value]
    return {key: entry for key, _, entry in pairs}


def _port(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {"mode": "ingress", "protocol": "tcp", **value, "published": str(value.get("published", ""))}
    match = PORT.match(str(value))
    assert match, value
    found = {"mode": "ingress", "target": int(match["target"]), "protocol": match["protocol"] or "tcp"}
    if match["published"]:
        found["published"] = match["published"]
    if match["ip"]:
        found["host_ip"] = match["ip"].strip("[]")
    return found


def _volume(value: Any, folder: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    parts = str(value).split(":")
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0]}
    kind = "bind" if parts[0].startswith((".", "/", "~")) else "volume"
    source = _path(parts[0], folder) if kind == "bind" else parts[0]
    return {"type": kind, "source": source, "target": parts[1], **({"read_only": True} if parts[2:] == ["ro"] else {})}
