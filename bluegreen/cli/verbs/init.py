"""init: from a Compose file, or from nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.options import JSON
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode

if TYPE_CHECKING:
    from bluegreen.features.init.layout import Layout
    from bluegreen.features.init.propose import Proposal


@click.command()
@click.option("--write", is_flag=True, help="Add the block at the end of the Compose file; nothing else changes.")
@JSON
@click.pass_obj
def init(options: Options, write: bool, json_: bool) -> int:
    """Print the smallest x-bluegreen block for this Compose file; without one, write all of it for a FastAPI app."""
    app = App(options, output.choose("none"))
    if app.compose_file is None and not options.files:
        return _from_nothing(app, json_)
    proposal, file = _proposal(app)
    if proposal is None:
        _nothing_to_do(file, json_)
        return int(ExitCode.DONE)
    _show(proposal, file, json_)
    if not proposal.block:
        return int(ExitCode.FAILED)
    if not json_:
        output.note("")
        output.result(proposal.text().rstrip())
    if write:
        from bluegreen.compose.edit import add_block

        add_block(app.compose, file, proposal.text, app.project_directory)
        if not json_:
            output.note(f"\nAdded to {file}. Next: {app.command} up")
    elif not json_:
        output.note(f"\nTo add it: {app.command} init --write")
    return int(ExitCode.DONE)


def _nothing_to_do(file: Path, json_: bool) -> None:
    if json_:
        output.as_json({"file": str(file), "block": None, "decisions": [], "advice": []})
    else:
        output.result(f"{file} has an x-bluegreen block already; nothing to do.")


def _show(proposal: Proposal, file: Path, json_: bool) -> None:
    if json_:
        reasons = [{"key": key, "why": why} for key, why in proposal.decisions]
        output.as_json({"file": str(file), "block": proposal.block, "decisions": reasons, "advice": proposal.advice})
    else:
        for key, why in proposal.decisions:
            output.note(f"{key:<9}{output.clean(why)}")
        for advice in proposal.advice:
            output.note(f"Note: {output.clean(advice)}")


def _from_nothing(app: App, json_: bool) -> int:
    from bluegreen.features.init.scaffold import scaffold

    folder = Path(app.options.project_directory or ".").absolute()
    layout, there = _layout(folder)
    files, advice = scaffold(layout, folder.name, there)
    _write_new(folder, files)
    if json_:
        reasons = [{"key": key, "why": why} for key, why in layout.decisions]
        output.as_json(
            {"file": str(folder / "compose.yaml"), "written": list(files), "decisions": reasons, "advice": advice}
        )
    else:
        for key, why in layout.decisions:
            output.note(f"{key:<9}{output.clean(why)}")
        for words in advice:
            output.note(f"Note: {output.clean(words)}")
        output.result("\n".join(f"written  {name}" for name in files))
        output.note(f"\nNext: {app.command} up")
    return int(ExitCode.DONE)


def _proposal(app: App) -> tuple[Proposal | None, Path]:
    """The block that would do for this Compose file (None: it has one) and the file. For `init`."""
    from bluegreen.features.init.propose import propose
    from bluegreen.places.docker import contexts

    document = app.compose.resolve(app.project_directory)
    file = app.compose_file or Path()
    found = None if "x-bluegreen" in document else propose(document)
    if found:
        found.advice.extend(contexts.notices(document["services"], list(document["services"])))
    return found, file


def _layout(folder: Path) -> tuple[Layout, dict[str, str]]:
    """(how a project without a Compose file is laid out, its files). Raises BluegreenError: it cannot be told."""
    from bluegreen.features.init.layout import find_layout
    from bluegreen.host import sources

    there = sources.look(folder)
    found = find_layout(there)
    if found is None:
        raise BluegreenError(
            "There is no Compose file, and no FastAPI application was found.", failed=f"looked in {folder}",
            expected="a module with app = FastAPI(…), and requirements.txt or pyproject.toml", retry="safe",
            next="bluegreen -f FILE init (for a Compose file elsewhere)", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return found, there


def _write_new(folder: Path, files: Mapping[str, str]) -> None:
    """Writes files that are not there. Raises BluegreenError."""
    from bluegreen.host import sources

    try:
        sources.write_new(folder, dict(files))
    except OSError as error:
        raise BluegreenError(
            "The files cannot be written.", failed=f"{error.strerror}: {error.filename}",
            expected="a folder that this user may write into", retry="safe, after the cause is fixed",
            exit_code=ExitCode.USAGE,
        ) from None  # fmt: skip
