"""The paths of Django's urls.py files, followed through `include`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

ENTRY = re.compile(
    r"\b(?P<kind>path|re_path|url)\(\s*r?['\"](?P<path>[^'\"]*)['\"]\s*,\s*"
    r"(?P<target>include\(\s*\(?\s*['\"](?P<module>[\w.]+)['\"]|include\(|[\w.]+)"
)
DEEPEST = 6


def django(files: Mapping[str, str]) -> Iterator[str]:
    """Paths of the root urls.py, the one that no other includes."""
    urls = {path: text for path, text in files.items() if path.rpartition("/")[2] == "urls.py"}
    included = {_file(match["module"], urls) for text in urls.values() for match in ENTRY.finditer(text)} - {None}
    for path in urls:
        if path not in included:
            yield from _of(path, "/", urls, DEEPEST)


def _of(path: str, prefix: str, urls: Mapping[str, str], deep: int) -> Iterator[str]:
    for match in ENTRY.finditer(urls[path]):
        part = _plain(match["kind"], match["path"])
        if part is None:
            continue
        inner = _file(match["module"], urls)
        if match["target"].startswith("include"):
            if inner and inner != path and deep:
                yield from _of(inner, prefix + part, urls, deep - 1)
            elif match["module"] and match["module"].startswith("health_check"):
                yield prefix + part
        elif not match["target"].startswith("admin.site"):
            yield prefix + part


def _plain(kind: str, text: str) -> str | None:
    """A path without parameters; None: it has some."""
    if kind != "path":
        text = text.removeprefix("^").removesuffix("$").removesuffix("/?")
    return text if re.fullmatch(r"[\w/.-]*", text) else None


def _file(module: str | None, urls: Mapping[str, str]) -> str | None:
    """The file of a dotted module, wherever the sources begin."""
    if not module:
        return None
    name = module.replace(".", "/") + ".py"
    return next((path for path in urls if path == name or path.endswith(f"/{name}")), None)
