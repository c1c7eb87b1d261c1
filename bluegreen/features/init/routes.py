"""The paths that a project's sources answer to, and which of them is a health check. Pure.

Only what can be followed to its end counts: a route whose prefix is computed is left out, for a guess would be a 404.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bluegreen.features.init import routes_js
from bluegreen.features.init.routes_django import django

HEALTH = re.compile(
    r"/(?:_?health(?:[-_]?(?:z|check|checks|status))?|livez?|liveness|readyz?|readiness|ping|pong|status|up|alive|ht|heartbeat)/?$"
)
ROUTE = re.compile(
    r"@(?P<owner>\w+)\.(?P<kind>get|api_route|route)\(\s*(?:path\s*=\s*)?['\"](?P<path>[^'\"]*)['\"](?P<rest>[^)]*)"
)
OWNER = re.compile(
    r"^[ \t]*(?P<name>\w+)\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?"
    r"(?P<kind>FastAPI|APIRouter|Flask|Blueprint|Starlette|Quart|Sanic|APIFlask|Litestar)\((?P<rest>[^)]*)",
    re.MULTILINE,
)
INCLUDE = re.compile(
    r"(?P<parent>\w+)\.(?:include_router|register_blueprint)\(\s*(?:router\s*=\s*)?(?P<child>[\w.]+)(?P<rest>[^)]*)"
)
PREFIX = re.compile(r"(?:url_)?prefix\s*=\s*(?P<value>f?['\"][^'\"]*['\"]|[\w.]+)")
IMPORT = re.compile(r"^[ \t]*from\s+(?P<module>[\w.]+)\s+import\s+(?P<names>\([^)]*\)|[^\n]+)", re.MULTILINE)
CONSTANT = re.compile(
    r"^[ \t]*(?P<name>[A-Z][A-Z0-9_]*)\s*(?::\s*\w+\s*)?=\s*['\"](?P<value>/[^'\"]*)['\"]", re.MULTILINE
)
ROOTS = ("FastAPI", "Flask", "Starlette", "Quart", "Sanic", "APIFlask", "Litestar")
RAILS = re.compile(r"^[ \t]*get\s*\(?\s*['\"]/?(?P<path>[\w/-]+)['\"]", re.MULTILINE)
GO = re.compile(
    r"\b(?:http|mux|r|router|app|e|engine)\.(?:HandleFunc|Handle|GET|Get)\(\s*\"(?:GET )?(?P<path>/[\w/.-]*)\""
)
DEEPEST = 6


@dataclass(frozen=True)
class _Include:
    """One place where a router is mounted. `prefix` None: it is computed."""

    path: str
    parent: str
    prefix: str | None


@dataclass
class _Project:
    """What all files say together, each read once."""

    constants: dict[str, set[str]] = field(default_factory=dict)
    owners: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)  # (path, name): kind, prefix
    includes: dict[tuple[str, str], list[_Include]] = field(default_factory=dict)  # (module's last part or path, name)

    def prefix(self, rest: str) -> str | None:
        """What `prefix=` says; "" without one, None when it is unknown."""
        match = PREFIX.search(rest)
        if not match:
            return ""
        value = match["value"]
        if value[0] in "'\"":
            return value[1:-1].rstrip("/")
        if value[0] == "f" and value[1] in "'\"" and not re.fullmatch(r"f['\"]\{[\w.]+\}['\"]", value):
            return None
        known = self.constants.get(value.strip("f'\"{}").rpartition(".")[2], set())
        return next(iter(known)).rstrip("/") if len(known) == 1 else None


def health(files: Mapping[str, str]) -> tuple[str, str] | None:
    """(path, why) for the sources below one folder, by their paths; None: nothing that can be relied on."""
    found = sorted(set(paths(files)), key=lambda path: (len(path), path))
    for path in found:
        if HEALTH.search(path):
            return path, "a route of the code"
    if "/" in found:
        return "/", "a route of the code; none is called health"
    texts = [text for path, text in files.items() if path.endswith(".py")]
    applications = [text for text in texts if re.search(r"=\s*(?:fastapi\.)?FastAPI\(", text)]
    if applications and not any(re.search(r"(?:openapi_url|docs_url)\s*=", text) for text in applications):
        return "/openapi.json", "FastAPI's own; no route is called health"
    if any(re.search(r"path\(\s*['\"]admin/['\"]\s*,\s*admin\.site\.urls", text) for text in texts):
        return "/admin/login/", "Django's own; no route is called health"
    return None


def paths(files: Mapping[str, str]) -> Iterator[str]:
    """Paths that answer GET and may be a health check or the first page, where the code can be followed."""
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    yield from _decorated(python)
    yield from django(python)
    yield from routes_js.paths(files)
    for path, text in files.items():
        if path.endswith("config/routes.rb"):
            yield from (f"/{match['path']}" for match in RAILS.finditer(_top_of_rails(text)))
            if re.search(r"^[ \t]*root\b", text, re.MULTILINE):
                yield "/"
        elif path.endswith(".go"):
            yield from (match["path"] for match in GO.finditer(text))
        elif path.endswith(("pom.xml", "build.gradle", "build.gradle.kts")) and "spring-boot-starter-actuator" in text:
            yield "/actuator/health"
        elif path.endswith("bootstrap/app.php") and (found := re.search(r"health:\s*['\"](/[\w/-]+)['\"]", text)):
            yield found[1]


def _top_of_rails(text: str) -> str:
    """Without what is in a namespace or scope."""
    return re.sub(r"^[ \t]*(?:namespace|scope)\b.*?^[ \t]*end\b", "", text, flags=re.MULTILINE | re.DOTALL)


def _decorated(files: Mapping[str, str]) -> Iterator[str]:
    """FastAPI, Flask and similar ones: decorators, the prefixes of their routers, and where those are included."""
    project = _read(files)
    for path, text in files.items():
        for route in ROUTE.finditer(text):
            if route["kind"] != "get" and "methods" in route["rest"] and "GET" not in route["rest"]:
                continue
            if not (HEALTH.search(route["path"]) or route["path"] in ("", "/")):
                continue  # neither a health check nor the first page, wherever it is mounted
            for prefix in _prefixes(project, path, route["owner"], DEEPEST):
                full = prefix + route["path"]
                yield full if full.startswith("/") else f"/{full}"


def _read(files: Mapping[str, str]) -> _Project:
    found = _Project()
    for text in files.values():
        for constant in CONSTANT.finditer(text):
            found.constants.setdefault(constant["name"], set()).add(constant["value"])
    for path, text in files.items():
        for owner in OWNER.finditer(text):
            found.owners[path, owner["name"]] = owner["kind"], found.prefix(owner["rest"])
        names = _imported(text)
        for include in INCLUDE.finditer(text):
            made = _Include(path, include["parent"], found.prefix(include["rest"]))
            for key in _meant(include["child"], path, names):
                found.includes.setdefault(key, []).append(made)
    return found


def _imported(text: str) -> dict[str, tuple[str, str]]:
    """Names of a file to (last part of the module, name there)."""
    found = {}
    for match in IMPORT.finditer(text):
        module = match["module"].rpartition(".")[2] or "__init__"
        for part in re.split(r"[,\n]", match["names"].strip("() \n")):
            name, _, alias = part.strip().partition(" as ")
            if name.strip():
                found[(alias or name).strip()] = (module, name.strip())
    return found


def _meant(child: str, path: str, names: Mapping[str, tuple[str, str]]) -> set[tuple[str, str]]:
    """What `child` of an include may be: (last part of its module, or this very file; its name there)."""
    module, _, name = child.rpartition(".")
    if not module:
        return {names.get(child, (path, child))}
    last = module.rpartition(".")[2]
    return {(last, name), (names[last][1], name)} if last in names else {(last, name)}


def _prefixes(project: _Project, path: str, owner: str, deep: int) -> Iterator[str]:
    """Every prefix under which an application or a router of a file answers."""
    kind, own = project.owners.get((path, owner), ("", ""))
    if kind in ROOTS or (
        not kind and owner in ("app", "application", "api", "server")
    ):  # made by a function, or imported
        yield ""
        return
    if own is None or deep == 0:
        return
    stem = path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
    for include in [*project.includes.get((stem, owner), []), *project.includes.get((path, owner), [])]:
        if include.prefix is not None:
            here = include.prefix or own if kind == "Blueprint" else include.prefix + own
            for above in _prefixes(project, include.path, include.parent, deep - 1):
                yield above + here
