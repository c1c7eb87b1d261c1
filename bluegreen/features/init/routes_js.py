"""The paths of Express, Fastify, Nest and Next applications. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

ENDS = (".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx")
ROUTE = re.compile(r"\b(?P<owner>\w+)\.(?:get|all)\(\s*['\"`](?P<path>/[\w/.-]*)['\"`]")
USE = re.compile(r"\b(?P<owner>\w+)\.use\(\s*['\"`](?P<path>/[\w/.-]*)['\"`]\s*,\s*(?P<rest>[^;\n]*)")
IMPORT = re.compile(
    r"(?:const|let|var)\s+\{?\s*(?P<name>\w+)\s*\}?\s*=\s*require\(\s*['\"](?P<path>[./][^'\"]*)['\"]"
    r"|import\s+\{?\s*(?P<name2>\w+)\s*\}?\s+from\s+['\"](?P<path2>[./@][^'\"]*)['\"]"
)
INLINE = re.compile(r"require\(\s*['\"](?P<path>[./][^'\"]*)['\"]\s*\)")
CONTROLLER = re.compile(
    r"@Controller\(\s*(?:['\"](?P<path>[\w/-]*)['\"])?\s*\)(?P<body>.*?)(?=@Controller|\Z)", re.DOTALL
)
GET = re.compile(r"@Get\(\s*(?:['\"](?P<path>[\w/-]*)['\"])?\s*\)")
GLOBAL = re.compile(r"setGlobalPrefix\(\s*['\"]/?(?P<path>[\w/-]+)['\"]")
NEXT = re.compile(
    r"(?:^|/)(?:src/)?(?:app/(?P<app>[\w/-]+)/route|pages/(?P<pages>api/[\w/-]+?)(?:/index)?)\.(?:js|ts)$"
)
APPLICATIONS = ("app", "server", "fastify", "express", "application")
LISTEN = re.compile(
    r"\.listen\(\s*(?:\{\s*port:\s*)?(?:process\.env\.\w+\s*(?:\|\||\?\?)\s*)?['\"]?(\d{2,5})"
    r"|\b(?:PORT|port)\s*=\s*(?:\w+\()?\s*process\.env\.\w+\s*(?:\|\||\?\?)\s*['\"]?(\d{2,5})"
    r"|\b(?:const|let|var)\s+(?:PORT|port)\s*=\s*['\"]?(\d{2,5})"
)


def paths(files: Mapping[str, str]) -> Iterator[str]:
    """Every path that answers GET, where the code can be followed."""
    sources = {path: text for path, text in files.items() if path.endswith(ENDS)}
    mounted = dict(_mounted(sources))
    everywhere = next((f"/{it['path']}" for text in sources.values() if (it := GLOBAL.search(text))), "")
    for path, text in sources.items():
        if found := NEXT.search(path):
            yield f"/{found['app'] or found['pages']}"
        for route in ROUTE.finditer(text):
            if route["owner"] in APPLICATIONS:
                yield route["path"]
            elif (prefix := mounted.get(_module(path))) is not None:
                yield _joined(prefix, route["path"])
        for controller in CONTROLLER.finditer(text):
            for route in GET.finditer(controller["body"]):
                yield everywhere + _joined(f"/{controller['path'] or ''}", f"/{route['path'] or ''}")


def listens(files: Mapping[str, str]) -> int | None:
    """The port that the code listens on when its environment says none."""
    found = [match for path, text in sorted(files.items()) if path.endswith(ENDS) for match in LISTEN.finditer(text)]
    return next((int(it[1] or it[2] or it[3]) for it in found), None)


def _mounted(sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(module of a router, where an application mounts it)."""
    for text in sources.values():
        names = {it["name"] or it["name2"]: _module(it["path"] or it["path2"]) for it in IMPORT.finditer(text)}
        for use in USE.finditer(text):
            if use["owner"] not in APPLICATIONS:
                continue
            inline = INLINE.search(use["rest"])
            last = re.findall(r"\w+", use["rest"].rpartition(",")[2])
            if inline:
                yield _module(inline["path"]), use["path"]
            elif last and last[0] in names:
                yield names[last[0]], use["path"]


def _module(path: str) -> str:
    """The last part of a module's path, without its end; that of its folder for an index."""
    for end in ENDS:
        path = path.removesuffix(end)
    return path.removesuffix("/index").rpartition("/")[2]


def _joined(prefix: str, path: str) -> str:
    joined = f"{prefix.rstrip('/')}/{path.strip('/')}".rstrip("/")
    return joined or "/"
