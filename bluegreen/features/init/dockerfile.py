"""What a Dockerfile tells of the service that is built from it. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from bluegreen.features.init.health import asked, filled_in
from bluegreen.features.init.kinds import NOT_HTTP, Service, words

INSTRUCTION = re.compile(r"^\s*(?P<name>[A-Za-z]+)\s+(?P<text>.*?)\s*$", re.DOTALL)
COMMAND_PORT = re.compile(
    r"(?:--port[= ]|-p[= ]?|--bind[= ]\S*:|-b\s*\S*:|--listen[= ]\S*?|--http[= ]\S*:|--server\.port[= ]|:)"
    r"(?:\$\{\w+:-)?(?P<port>\d{2,5})\b"
)
BASES = (("nginx", 80), ("caddy", 80), ("httpd", 80), ("apache", 80), ("tomcat", 8080), ("streamlit", 8501))
# Default ports of servers. Sources: the documentation of each.
DEFAULTS = (
    (r"\buvicorn\b|\bhypercorn\b|\bgunicorn\b|\bdaphne\b|\bgranian\b|\bfastapi (?:run|dev)\b|\brunserver\b", 8000),
    (r"\bflask\b.*\brun\b", 5000), (r"\bwaitress-serve\b", 8080), (r"\bstreamlit run\b", 8501),
    (r"\brails s(?:erver)?\b|\bbin/rails server\b|\bnext start\b|\bnuxt\b|\bpuma\b|\bbin/thrust\b", 3000),
    (r"\bserve -s\b", 3000), (r"\bartisan serve\b", 8000), (r"\bjava\b.*-jar\b", 8080),
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What the last stage says."""

    base: str = ""
    exposed: tuple[int, ...] = ()
    command: str = ""
    health: tuple[int | None, str | None] = (None, None)
    copies: tuple[str, ...] = ()  # sources of COPY in the context
    places: tuple[tuple[str, str], ...] = ()  # (a source in the context, where it is in the container)
    workdir: str = ""


def of_service(service: Service, files: Mapping[str, str]) -> Built:
    """What the Dockerfile of a service says; nothing without one."""
    build = service.get("build")
    if not isinstance(build, Mapping) or not build.get("context"):
        return Built()
    name = str(build.get("dockerfile") or "Dockerfile")
    path = str(PurePosixPath(str(build["context"]), name))
    text = str(build.get("dockerfile_inline") or files.get(path) or "")
    return read(text, build.get("target"))


def read(text: str, target: object = None) -> Built:
    """The stage called `target` of a Dockerfile, or its last one."""
    joined = re.sub(r"\\\s*\n", " ", "\n".join(it for it in text.splitlines() if not it.lstrip().startswith("#")))
    stages: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in joined.splitlines():
        found = INSTRUCTION.match(line)
        if not found:
            continue
        if found["name"].upper() == "FROM":
            parts = [it for it in found["text"].split() if not it.startswith("--")]
            stages.append((parts[0] if parts else "", parts[2] if len(parts) > 2 else "", []))
        elif stages:
            stages[-1][2].append((found["name"].upper(), found["text"]))
    if not stages:
        return Built()
    last = next((it for it in stages if target and it[1] == target), stages[-1])
    return _stage(last, {name: (base, lines) for base, name, lines in stages if name})


def _stage(
    stage: tuple[str, str, list[tuple[str, str]]], named: Mapping[str, tuple[str, list[tuple[str, str]]]]
) -> Built:
    base, _, lines = stage
    seen: set[str] = set()
    while base in named and base not in seen:
        seen.add(base)
        base, above = named[base]
        lines = [*above, *lines]
    env = {
        key: value.strip("\"'")
        for name, text in lines if name == "ENV"
        for key, value in re.findall(r"(\w+)[= ](\"[^\"]*\"|\S+)", text)
    }  # fmt: skip
    exposed = [
        int(number)
        for name, text in lines if name == "EXPOSE"
        for number in re.findall(r"\b(\d{2,5})\b(?!/udp)", filled_in(text, env))
    ]  # fmt: skip
    commands = {name: _words(text) for name, text in lines if name in ("CMD", "ENTRYPOINT")}
    command = " ".join(filter(None, (commands.get("ENTRYPOINT"), commands.get("CMD"))))
    check = next((text for name, text in reversed(lines) if name == "HEALTHCHECK"), "")
    test = re.sub(r"^(?:--\S+\s+)*CMD\s+", "", check)
    health = (
        asked({"environment": env}, test=_words(test)) if test != check or check.startswith("CMD") else (None, None)
    )
    places, workdir = _places([(name, filled_in(text, env)) for name, text in lines])
    copies = [part for name, text in lines if name == "COPY" and "--from" not in text for part in text.split()[:-1]]
    return Built(
        base, tuple(it for it in exposed if it not in NOT_HTTP), command, health, tuple(copies), places, workdir
    )


def _places(lines: list[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], str]:
    """(where each copied part of the context is in the container, the folder in which commands run)."""
    workdir, places = "", []
    for name, text in lines:
        if name == "WORKDIR":
            workdir = posixpath.normpath(posixpath.join(workdir or "/", text.strip().strip("\"'")))
        elif name in ("COPY", "ADD") and "--from" not in text:
            *sources, target = [it for it in _words(text).split() if not it.startswith("--")] or [""]
            whole = posixpath.normpath(posixpath.join(workdir, target))
            for source in sources:
                plain = posixpath.normpath(source).removeprefix("/")
                into = target.endswith("/") or len(sources) > 1
                file = "." in posixpath.basename(plain).lstrip(".")
                places.append((plain, posixpath.join(whole, posixpath.basename(plain)) if into and file else whole))
    return tuple(places), workdir


def path_in(built: Built, path: str, workdir: str = "") -> str:
    """How a command of the container names a file of the context; as it is there when nothing tells."""
    workdir = workdir or built.workdir
    fitting = [it for it in built.places if it[0] in (".", path) or path.startswith(f"{it[0]}/")]
    if not fitting or not workdir or "$" in workdir + fitting[0][1]:
        return path
    source, target = max(fitting, key=lambda it: len(it[0]) if it[0] != "." else 0)
    rest = path if source == "." else path[len(source) :].strip("/")
    whole = posixpath.normpath(posixpath.join(target, rest))
    start = workdir.rstrip("/") + "/"
    return whole[len(start) :] if whole.startswith(start) else whole


def _words(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return " ".join(map(str, found)) if isinstance(found, list) else text


def command_port(text: str) -> int | None:
    """The port that a command names."""
    found = [int(it["port"]) for it in COMMAND_PORT.finditer(text)]
    return next((it for it in found if it not in NOT_HTTP and it < 65536), None)


def default_port(service: Service, built: Built) -> tuple[int | None, str]:
    """(the port of a server whose command names none, why)."""
    text = words(service) or built.command
    for pattern, usual in DEFAULTS:
        if re.search(pattern, text):
            return usual, "the default of the server that its command starts"
    base = built.base.rpartition("/")[2]
    port = next((number for name, number in BASES if name in base), None)
    return port, f"the port of {built.base}, which it is built on" if port else ""
