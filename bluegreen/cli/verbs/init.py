"""init: from a Compose file, or from nothing."""

from __future__ import annotations

from pathlib import Path

import click

from bluegreen.cli import output
from bluegreen.cli.options import JSON
from bluegreen.cli.wiring import App
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode


@click.command()
@click.option("--write", is_flag=True, help="Add the block at the end of the Compose file; nothing else changes.")
@JSON
@click.pass_obj
def init(options: Options, write: bool, json_: bool) -> int:
    """Print the smallest x-bluegreen block for this Compose file; without one, write all of it for a FastAPI app."""
    app = App(options, output.choose("none"))
    if app.compose_file is None and not options.files:
        return _from_nothing(app, json_)
    proposal, file = app.proposal()
    if proposal is None:
        output.result(f"{file} has an x-bluegreen block already; nothing to do.")
        return int(ExitCode.DONE)
    if json_:
        reasons = [{"key": key, "why": why} for key, why in proposal.decisions]
        output.as_json({"file": str(file), "block": proposal.block, "decisions": reasons, "advice": proposal.advice})
    else:
        for key, why in proposal.decisions:
            output.note(f"{key:<9}{output.clean(why)}")
        for advice in proposal.advice:
            output.note(f"Note: {output.clean(advice)}")
    if not proposal.block:
        return int(ExitCode.FAILED)
    if not json_:
        output.note("")
        output.result(proposal.text().rstrip())
    if write:
        app.compose.add_block(file, proposal.text, app.project_directory)
        output.note(f"\nAdded to {file}. Next: {app.command} up")
    elif not json_:
        output.note(f"\nTo add it: {app.command} init --write")
    return int(ExitCode.DONE)


def _from_nothing(app: App, json_: bool) -> int:
    from bluegreen.features.init.scaffold import scaffold

    folder = Path(app.options.project_directory or ".").absolute()
    layout, there = app.layout(folder)
    files, advice = scaffold(layout, folder.name, there)
    app.write_new(folder, files)
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
