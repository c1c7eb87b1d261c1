"""The application of a Python project: where it is, of which framework, and what serves it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ASGI = ("FastAPI", "Starlette", "Quart", "Litestar")
WSGI = ("Flask", "APIFlask")
CLASSES = "|".join((*ASGI, *WSGI))
APP = re.compile(rf"^(?P<name>[A-Za-z_]\w*)\s*(?::\s*[\w.]+\s*)?=\s*(?:\w+\.)?(?P<kind>{CLASSES})\(", re.MULTILINE)
TYPED = re.compile(
    rf"^(?:async\s+)?def\s+(?P<name>\w+)\([^)]*\)\s*->\s*(?:\w+\.)?(?P<kind>{CLASSES})\s*:", re.MULTILINE
)
FUNCTION = re.compile(
    r"^def\s+(?P<name>\w+)\((?P<given>[^)]*)\)[^:\n]*:\n(?P<body>(?:[ \t]+[^\n]*\n|\s*\n)+)", re.MULTILINE
)
MAKES = re.compile(rf"(?:=|return)\s*(?:\w+\.)?(?P<kind>{CLASSES})\(")
CALLED = re.compile(r"^(?P<name>[A-Za-z_]\w*)\s*(?::\s*[\w.]+\s*)?=\s*(?P<function>\w+)\(", re.MULTILINE)
IMPORTED = re.compile(r"^from\s+[\w.]+\s+import\s+(?P<names>.+)$", re.MULTILINE)
LIKELY = ("main.py", "app.py", "asgi.py", "wsgi.py", "server.py", "api.py", "run.py", "__init__.py")


@dataclass(frozen=True)
class Application:
    """An application that a server can run. `factory`: its name is a function that makes it."""

    path: str
    name: str
    kind: str
    factory: bool

    @property
    def rank(self) -> tuple[int, int, int, str]:
        parts = self.path.split("/")
        likely = LIKELY.index(parts[-1]) if parts[-1] in LIKELY else len(LIKELY)
        return (self.factory, likely, len(parts), self.path)

    @property
    def asgi(self) -> bool:
        return self.kind in ASGI

    @property
    def source(self) -> str:
        """The folder that modules are imported from."""
        return "src" if self.path.startswith("src/") else "."

    @property
    def module(self) -> str:
        return self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def find(files: Mapping[str, str]) -> list[Application]:
    """Every application of a project, the most likely first; Django's is one."""
    found = sorted({it for path, text in files.items() if path.endswith(".py") for it in _of(path, text, files)},
                   key=lambda it: it.rank)  # fmt: skip
    return found or list(_django(files))


def _of(path: str, text: str, files: Mapping[str, str]) -> Iterator[Application]:
    yield from (Application(path, it["name"], it["kind"], False) for it in APP.finditer(text))
    factories = dict(_factories(text))
    yield from (Application(path, name, kind, True) for name, kind in factories.items())
    for call in CALLED.finditer(text):
        made = factories.get(call["function"]) or _imported(call["function"], text, files)
        if made:
            yield Application(path, call["name"], made, False)


def _factories(text: str) -> Iterator[tuple[str, str]]:
    """(name, kind) of functions that make an application and need no argument."""
    for it in FUNCTION.finditer(text + "\n"):
        made = MAKES.search(it["body"])
        needs = [part for part in it["given"].split(",") if part.strip() and "=" not in part and "*" not in part]
        if made and not needs and not it["name"].startswith("_"):
            yield it["name"], made["kind"]
    yield from ((it["name"], it["kind"]) for it in TYPED.finditer(text) if "(" in it[0] and not _needs(it[0]))


def _needs(signature: str) -> bool:
    given = signature.partition("(")[2].partition(")")[0]
    return any(part.strip() and "=" not in part and "*" not in part for part in given.split(","))


def _imported(name: str, text: str, files: Mapping[str, str]) -> str | None:
    """The kind that an imported function makes."""
    if not any(re.search(rf"\b{re.escape(name)}\b", it["names"]) for it in IMPORTED.finditer(text)):
        return None
    return next((kind for other in files.values() for found, kind in _factories(other) if found == name), None)


def _django(files: Mapping[str, str]) -> Iterator[Application]:
    """Its wsgi.py, beside its settings; a project without one has its settings named in manage.py."""
    if "django" not in files.get("manage.py", "") and "django" not in files.get("src/manage.py", ""):
        return
    modules = sorted((it for it in files if it.rpartition("/")[2] == "wsgi.py"), key=lambda it: (it.count("/"), it))
    if modules:
        yield Application(modules[0], "application", "Django", False)
