"""An SQLite file of a project: in a container it is lost with each release, unless a volume holds it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

FOLDER = "/data"
URL = r"sqlite(?:\+\w+)?:///(?P<file>[^'\"?]*)"
BY_VARIABLE = re.compile(
    rf"(?:getenv|environ\.get|environ\.setdefault|config|env)\(\s*['\"](?P<name>[A-Z]\w*)['\"]\s*,\s*(?:default\s*=\s*)?['\"](?P<url>{URL})['\"]"
)
BY_SETTING = re.compile(
    rf"^[ \t]+(?P<name>\w+)\s*:\s*\w+\s*=\s*(?:Field\(\s*(?:default\s*=\s*)?)?['\"](?P<url>{URL})['\"]", re.MULTILINE
)
WRITTEN = re.compile(rf"['\"]{URL}['\"]")
CONNECTED = re.compile(r"\bsqlite3?\.connect\(\s*['\"](?P<file>[^'\":]+)['\"]")
DJANGO = re.compile(r"django\.db\.backends\.sqlite3")


@dataclass(frozen=True)
class Data:
    """`file` as the code names it; `variable` and `value`: what moves it to the volume, when the code asks for one."""

    file: str
    variable: str = ""
    value: str = ""
    advice: tuple[str, ...] = ()


def find(files: Mapping[str, str]) -> Data | None:
    """The SQLite file that a project keeps its data in."""
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    for text in python.values():
        for pattern in (BY_VARIABLE, BY_SETTING):
            if found := pattern.search(text):
                if pattern is BY_SETTING and "BaseSettings" not in text:
                    continue
                return _moved(found["file"], found["name"].upper(), found["url"])
    for path, text in python.items():
        found = WRITTEN.search(text) or CONNECTED.search(text)
        file = found["file"] if found else "db.sqlite3" if DJANGO.search(text) else ""
        if file and ":memory:" not in file:
            return _hard_coded(file, path)
    return None


def _moved(file: str, variable: str, url: str) -> Data | None:
    name = file.rpartition("/")[2] or "app.db"
    if not file or ":memory:" in file:
        return None
    return Data(file, variable, f"{url.partition(':///')[0]}:///{FOLDER}/{name}")


def _hard_coded(file: str, path: str) -> Data:
    name = file.rpartition("/")[2]
    if file.startswith(f"{FOLDER}/"):
        return Data(file)
    return Data(file, advice=(
        f"{path} keeps its data in {file}. In a container, each release would start without this file: use "
        f"{FOLDER}/{name}, which is on the volume data.",
    ))  # fmt: skip
