"""init: from a Compose file, or from nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bluegreen.cli import output
from bluegreen.cli.app import App
from bluegreen.cli.options import JSON
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bluegreen.compose.cuts import Changes
    from bluegreen.features.init.propose import Answer, Proposal


@click.command()
@click.option(
    "--write", is_flag=True, help="Add the block at the end of the Compose file; without one, write the files."
)
@click.option("--service", metavar="NAME[:PORT]", help="The service that gets the traffic, when init cannot know.")
@JSON
@click.pass_obj
def init(options: Options, write: bool, service: str | None, json_: bool) -> int:
    """Print the smallest x-bluegreen block for this Compose file, with reasons; without a file, what is missing."""
    app = App(options, output.choose("none"))
    if app.compose_file is None and not options.files:
        from bluegreen.cli.fresh import from_nothing

        return from_nothing(app, write, json_)
    document = app.compose.resolve(app.project_directory)
    file = app.compose_file or Path()
    if "x-bluegreen" in document:
        _nothing_to_do(app, document, write, json_)
        return int(ExitCode.DONE)
    from bluegreen.cli import profiles

    proposal = _proposal(app, document, service)
    if not service and proposal.question and not json_ and sys.stdin.isatty() and sys.stderr.isatty():
        proposal = _proposal(app, document, _asked(proposal))
    if json_:  # written first: what cannot be is the one document then
        left = _write(app, proposal, file)[1] if write and proposal.block else []
        more = {"profiles": profiles.fields(profiles.add(app, file))} if write and proposal.block else {}
        output.as_json({**_fields(proposal, file, left), **more})
        return int(ExitCode.DONE if proposal.block else ExitCode.FAILED)
    _show(app, proposal, service)
    if not proposal.block:
        return int(ExitCode.FAILED)
    output.note("")
    output.result(proposal.text().rstrip())
    if write:
        _say_written(app, proposal, file, *_write(app, proposal, file))
    else:
        output.note(f"\nTo add it: {app.command} init{f' --service {service}' if service else ''} --write")
    return int(ExitCode.DONE)


def _nothing_to_do(app: App, document: dict[str, Any], write: bool, json_: bool) -> None:
    """There is a block; what its services may lack is a profile."""
    from bluegreen.cli import profiles

    file = app.compose_file or Path()
    found = profiles.add(app, file) if write else None
    if json_:
        more = {"profiles": profiles.fields(found)} if found else {}
        output.as_json({"file": str(file), "block": None, "decisions": [], "advice": [], **more})
        return
    for line in profiles.said(found, file) if found else ():
        output.note(line)
    if found and (found.added or found.optional):
        return
    output.result(f"{file} has an x-bluegreen block already; nothing to do.")
    if not write and (words := profiles.to_say(document)):
        output.note(f"Note: {words}: {app.command} init --write")


def _proposal(app: App, document: dict[str, Any], service: str | None) -> Proposal:
    """The block that would do for this Compose file. Raises BluegreenError: there is no such service."""
    from bluegreen.features.init.propose import propose
    from bluegreen.host import around
    from bluegreen.host.machine import docker_bridge
    from bluegreen.places.docker import contexts

    folder = str(app.project_directory)
    files = around.read([*_places(document), *(f"{folder}/{name}" for name in around.PLATFORMS)])
    found = propose(document, files, folder, _answer(service, app), docker_bridge())
    if service and not found.block:
        raise BluegreenError(
            f"{service} cannot be the routed service.", code="no-such-service",
            failed="there is no such service, or its port is not known",
            expected=f"NAME:PORT, NAME among {', '.join(document.get('services') or {})}", retry="safe",
            next=f"{app.command} init --service NAME:PORT", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    _beside_others(found, document["name"])
    names = [name for name in document["services"] if name not in found.gone]
    found.advice.extend(contexts.notices(document["services"], names))
    return found


def _beside_others(found: Proposal, mine: str) -> None:
    """Other apps of this server: whose port 80 is, and whether it is an edge's."""
    from bluegreen.cli import apps
    from bluegreen.features.init.neighbours import beside

    known, edges, _ = apps.apps()
    beside(found, known, edges, mine)


def _places(document: dict[str, Any]) -> list[str]:
    """What is built, and what a proxy is configured with: folders and files."""
    from bluegreen.features.init import kinds

    places: list[str] = []
    for name, service in (document.get("services") or {}).items():
        build = service.get("build") or {}
        if context := build.get("context"):
            places += [str(Path(context, build.get("dockerfile") or "Dockerfile")), str(context)]
        if kinds.is_proxy(name, service):
            places += [str(it["source"]) for it in service.get("volumes") or [] if it.get("type") == "bind"]
    return [it for it in places if it.startswith("/") and not it.endswith(".sock") and it != "/"]


def _answer(service: str | None, app: App) -> Answer:
    from bluegreen.features.init.propose import Answer

    name, _, port = (service or "").partition(":")
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        raise BluegreenError(
            f"{service} has no port.", code="no-such-service", failed=f"{port} is no number from 1 to 65535",
            expected="NAME:PORT, such as web:8000", retry="safe", next=f"{app.command} init --service NAME:PORT",
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return Answer(name or None, int(port) if port else None)


def _asked(proposal: Proposal) -> str:
    """The one question, on a terminal: NAME or NAME:PORT."""
    question = proposal.question
    if question is None:
        return ""
    for name, port in question.choices:
        output.note(f"  {name}:{port}" if port else f"  {name}:PORT")
    first, port = question.choices[0]
    answer = click.prompt(output.clean(question.words), default=f"{first}:{port}" if port else None, err=True)
    return str(answer).strip()


def _show(app: App, proposal: Proposal, service: str | None) -> None:
    for key, why in proposal.decisions:
        output.note(f"{key:<9}{output.clean(why)}")
    for advice in proposal.advice:
        output.note(f"Note: {output.clean(advice)}")
    if proposal.question and not service:
        name, port = proposal.question.choices[-1]
        chosen = f"{proposal.question.choices[0][0]} is proposed" if proposal.block else "Say which"
        another = f"{app.command} init --service {name}:{port or 'PORT'}"
        output.note(f"Note: {proposal.question.words} {chosen}; another one: {another}")


def _fields(proposal: Proposal, file: Path, left: Iterable[tuple[str, str]]) -> dict[str, Any]:
    asked = proposal.question
    advice = [*proposal.advice, *(_elsewhere(it, file) for it in left)]
    return {
        "file": str(file), "block": proposal.block,
        "decisions": [{"key": key, "why": why} for key, why in proposal.decisions], "advice": advice,
        "question": {"words": asked.words, "choices": [name for name, _ in asked.choices]} if asked else None,
        "write_also": {
            "take_out": [f"{name}.{key}" for name, key in proposal.take_out], "rename": proposal.renamed,
            "delete": proposal.gone,
        },
    }  # fmt: skip


def _write(app: App, proposal: Proposal, file: Path) -> tuple[Changes, Sequence[tuple[str, str]]]:
    """Adds the block; (what else was changed, keys to take out of another file). Raises BluegreenError."""
    from bluegreen.compose.cuts import Changes
    from bluegreen.compose.edit import add_block, elsewhere

    changes = Changes(proposal.take_out, proposal.renamed, proposal.gone)
    left = elsewhere(file, changes)
    changes = replace(changes, take_out=[it for it in changes.take_out if it not in left])
    add_block(app.compose, file, proposal.text, app.project_directory, changes)
    return changes, left


def _elsewhere(key: tuple[str, str], file: Path) -> str:
    return f"{key[1]} of {key[0]} is not in {file}: take it out where it is."


def _say_written(app: App, proposal: Proposal, file: Path, changes: Changes, left: Iterable[tuple[str, str]]) -> None:
    from bluegreen.cli import profiles

    for it in left:
        output.note(f"Note: {_elsewhere(it, file)}")
    for name, key in changes.take_out:
        output.note(f"taken out  {key} of {name}")
    for old, new in proposal.renamed.items():
        output.note(f"renamed    {old} to {new}")
    for name in proposal.gone:
        output.note(f"taken out  {name}")
    for line in profiles.said(profiles.add(app, file), file):
        output.note(line)
    adopt = " --adopt (takes over what plain Compose runs)" if proposal.gone else ""
    output.note(f"\nAdded to {file}. Next: {app.command} up{adopt}")
