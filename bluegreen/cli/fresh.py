"""init in a project without a Compose file: what would be written, and writing it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bluegreen.cli import output
from bluegreen.errors import BluegreenError, ExitCode

if TYPE_CHECKING:
    from bluegreen.cli.app import App
    from bluegreen.features.init.layout import Layout


def from_nothing(app: App, write: bool, json_: bool) -> int:
    """Shows the files, and writes them when that was said. Raises BluegreenError."""
    from bluegreen.cli import trust
    from bluegreen.features.init.scaffold import kept_out, scaffold

    folder = Path(app.options.project_directory or ".").absolute()
    trust.believe_project(app)
    layout, there = _layout(app, folder)
    files, advice = scaffold(layout, folder.name, there)
    added = kept_out(there)
    if write:
        _write_new(folder, files, added)
    if json_:
        reasons = [{"key": key, "why": why} for key, why in layout.decisions]
        output.as_json({
            "file": str(folder / "compose.yaml"), "written" if write else "would_write": list(files),
            "decisions": reasons, "advice": advice, "dockerignore": added,
        })  # fmt: skip
        return int(ExitCode.DONE)
    for key, why in layout.decisions:
        output.note(f"{key:<9}{output.clean(why)}")
    for words in advice:
        output.note(f"Note: {output.clean(words)}")
    if not write:
        output.note("")
        output.result(files.get("compose.yaml", "").rstrip())
    verb = "written " if write else "to write"
    for name in files:
        output.note(f"{verb}  {name}")
    if added:
        output.note(f"{'added   ' if write else 'to add  '}  {', '.join(added)} to .dockerignore")
    output.note(f"\nNext: {app.command} up" if write else f"\nTo write them: {app.command} init --write")
    return int(ExitCode.DONE)


def _layout(app: App, folder: Path) -> tuple[Layout, dict[str, str]]:
    """(how a project without a Compose file is laid out, its files). Raises BluegreenError: unknown."""
    from bluegreen.features.init.layout import find_layout, missing
    from bluegreen.host import around, sources

    start = f"{folder}/"
    there = {path[len(start) :]: text for path, text in around.read([str(folder)]).items()} | sources.look(folder)
    if found := find_layout(there):
        return found, there
    if lacks := missing(there):
        raise BluegreenError(
            f"{lacks.there}, and nothing says what it needs.", code="no-application",
            failed=f"looked in {folder}", expected=lacks.wanted,
            retry="safe", next=f"{lacks.command}, then {app.command} init", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    raise BluegreenError(
        "There is no Compose file, and no application was found.", code="no-application", failed=f"looked in {folder}",
        expected="a Compose file, a Dockerfile, or a FastAPI, Flask or Django project", retry="safe",
        next="cd to your project, or bluegreen -f FILE init (for a Compose file elsewhere)", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def _write_new(folder: Path, files: Mapping[str, str], ignored: list[str]) -> None:
    """Writes files that are not there, and adds to .dockerignore. Raises BluegreenError."""
    from bluegreen.host import sources

    try:
        sources.write_new(folder, dict(files))
        if ignored:
            sources.add_lines(folder / ".dockerignore", ignored)
    except OSError as error:
        raise BluegreenError(
            "The files cannot be written.", code="cannot-write", failed=f"{error.strerror}: {error.filename}",
            expected="a folder that this user may write into", retry="safe, after the cause is fixed",
            exit_code=ExitCode.USAGE,
        ) from None  # fmt: skip
