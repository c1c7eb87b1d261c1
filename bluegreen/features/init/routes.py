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
    r"^\s*(?P<name>\w+)\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?"
    r"(?P<kind>FastAPI|APIRouter|Flask|Blueprint|Starlette|Quart|Sanic|APIFlask|Litestar)\((?P<rest>[^)]*)",
    re.MULTILINE,
)
INCLUDE = re.compile(
    r"(?P<parent>\w+)\.(?:include_router|register_blueprint)\(\s*(?:router\s*=\s*)?(?P<child>[\w.]+)(?P<rest>[^)]*)"
)
PREFIX = re.compile(r"(?:url_)?prefix\s*=\s*(?P<value>f?['\"][^'\"]*['\"]|[\w.]+)")
IMPORT = re.compile(r"^\s*from\s+(?P<module>[\w.]+)\s+import\s+(?P<names>\([^)]*\)|[^\n]+)", re.MULTILINE)
CONSTANT = re.compile(r"^\s*(?P<name>[A-Z][A-Z0-9_]*)\s*(?::\s*\w+\s*)?=\s*['\"](?P<value>/[^'\"]*)['\"]", re.MULTILINE)
ROOTS = ("FastAPI", "Flask", "Starlette", "Quart", "Sanic", "APIFlask", "Litestar")
RAILS = re.compile(r"^\s*get\s*\(?\s*['\"]/?(?P<path>[\w/-]+)['\"]", re.MULTILINE)
GO = re.compile(
    r"\b(?:http|mux|r|router|app|e|engine)\.(?:HandleFunc|Handle|GET|Get)\(\s*\"(?:GET )?(?P<path>/[\w/.-]*)\""
)
DEEPEST = 6


@dataclass
class _File:
    owners: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # name: (kind, prefix; None: computed)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # imported as: (module's last part, name there)


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
    """Every path that answers GET, as far as it can be followed."""
    python = {path: text for path, text in files.items() if path.endswith(".py")}
    yield from _decorated(python)
    yield from django(python)
    yield from routes_js.paths(files)
    for path, text in files.items():
        if path.endswith("config/routes.rb"):
            yield from (f"/{match['path']}" for match in RAILS.finditer(_top_of_rails(text)))
            if re.search(r"^\s*root\b", text, re.MULTILINE):
                yield "/"
        elif path.endswith(".go"):
            yield from (match["path"] for match in GO.finditer(text))
        elif path.endswith(("pom.xml", "build.gradle", "build.gradle.kts")) and "spring-boot-starter-actuator" in text:
            yield "/actuator/health"
        elif path.endswith("bootstrap/app.php") and (found := re.search(r"health:\s*['\"](/[\w/-]+)['\"]", text)):
            yield found[1]


def _top_of_rails(text: str) -> str:
    """Without what stands in a namespace or scope."""
    return re.sub(r"^\s*(?:namespace|scope)\b.*?^\s*end\b", "", text, flags=re.MULTILINE | re.DOTALL)


def _decorated(files: Mapping[str, str]) -> Iterator[str]:
    """FastAPI, Flask and their like: decorators, the prefixes of their routers, and where those are included."""
    read = {path: _read(text, files) for path, text in files.items()}
    for path, text in files.items():
        for route in ROUTE.finditer(text):
            if route["kind"] != "get" and "methods" in route["rest"] and "GET" not in route["rest"]:
                continue
            if "{" in route["path"] or "<" in route["path"]:
                continue
            for prefix in _prefixes(path, route["owner"], files, read, DEEPEST):
                full = prefix + route["path"]
                yield full if full.startswith("/") else f"/{full}"


def _read(text: str, files: Mapping[str, str]) -> _File:
    found = _File()
    for match in OWNER.finditer(text):
        found.owners[match["name"]] = (match["kind"], _prefix(match["rest"], files))
    for match in IMPORT.finditer(text):
        module = match["module"].rpartition(".")[2] or "__init__"
        for part in re.split(r"[,\n]", match["names"].strip("() \n")):
            name, _, alias = part.strip().partition(" as ")
            if name.strip():
                found.names[(alias or name).strip()] = (module, name.strip())
    return found


def _prefix(rest: str, files: Mapping[str, str]) -> str | None:
    """What `prefix=` says; "" without one, None when it cannot be told."""
    match = PREFIX.search(rest)
    if not match:
        return ""
    value = match["value"]
    if value[0] in "'\"":
        return value[1:-1].rstrip("/")
    name = value.strip("f'\"{}").rpartition(".")[2]
    if value[0] == "f" and value[1] in "'\"" and not re.fullmatch(r"f['\"]\{[\w.]+\}['\"]", value):
        return None
    known = {it["value"] for text in files.values() for it in CONSTANT.finditer(text) if it["name"] == name}
    return known.pop().rstrip("/") if len(known) == 1 else None


def _prefixes(path: str, owner: str, files: Mapping[str, str], read: Mapping[str, _File], deep: int) -> Iterator[str]:
    """Every prefix under which an application or a router of a file answers."""
    kind, own = read[path].owners.get(owner, ("", ""))
    if kind in ROOTS:
        yield ""
        return
    if not kind and owner in ("app", "application", "api", "server"):  # made by a function, or imported
        yield ""
        return
    if own is None or deep == 0:
        return
    for parent_path, text in files.items():
        for include in INCLUDE.finditer(text):
            if not _means(include["child"], parent_path, path, owner, read):
                continue
            given = _prefix(include["rest"], files)
            if given is None:
                continue
            here = given or own if kind == "Blueprint" else given + own
            for above in _prefixes(parent_path, include["parent"], files, read, deep - 1):
                yield above + here


def _means(child: str, parent_path: str, path: str, owner: str, read: Mapping[str, _File]) -> bool:
    """Whether `child`, named in one file, is `owner` of another one."""
    module, _, name = child.rpartition(".")
    stem = path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
    if not module:
        if child in read[parent_path].names:
            return read[parent_path].names[child] == (stem, owner)
        return parent_path == path and child == owner
    last = module.rpartition(".")[2]
    imported = read[parent_path].names.get(last)
    return name == owner and stem in (last, imported[1] if imported else last)
