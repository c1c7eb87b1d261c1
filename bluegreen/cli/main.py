"""One short function for each verb, and the one error boundary."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bluegreen import __version__
from bluegreen.cli import arguments, output, report
from bluegreen.cli.boundary import guarded
from bluegreen.cli.show import show_result
from bluegreen.cli.text import urls
from bluegreen.cli.wiring import App
from bluegreen.compose.options import Options
from bluegreen.domain.release import Note
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Result, Tools

JSON = click.option("--json", "json_", is_flag=True, help="Print the result as JSON to stdout.")
PROGRESS = click.option(
    "--progress", type=click.Choice(["auto", "plain", "json", "none"]), default="auto", show_default=True,
    help="How progress is shown on stderr.",
)  # fmt: skip
DRY_RUN = click.option("--dry-run", is_flag=True, help="Print the plan; change nothing.")
BUILD = click.option("--no-build", is_flag=True, help="Use images as they are; do not build.")
PULL = click.option("--pull", is_flag=True, help="Pull images even if they are there.")
WAIT = click.option(
    "--wait", type=arguments.Seconds(), default=0.0, metavar="DURATION",
    help="Wait so long for another bluegreen, such as 60s.",
)  # fmt: skip
OWNER = click.option("--owner", default="", help="Who answers for this release (default: git's user, or the login).")
EXPECT = click.option("--expect", default="", help="The result that is expected of it.")
NOTE = click.option("--note", default="", help="What one must know to go back from it.")
REVISION = click.option("--revision", default="", help="The revision that it is made of (default: git's).")
MIGRATE = click.option(
    "--migrate", type=click.Choice(["again", "skip"]), default=None,
    help="What to do about a migration that was cut: run it again, or take it as done.",
)  # fmt: skip
HERE = click.option("--here", is_flag=True, help="This folder takes the place of the one that the app was made from.")
IMAGE = click.option("--image", "images", multiple=True, metavar="SERVICE=REF", help="Another image for a service.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-f", "--file", "files", multiple=True, help="Compose file; may be given several times.")
@click.option("-p", "--project-name", help="Project name, the app's name.")
@click.option("--env-file", "env_files", multiple=True, help="Environment file for interpolation.")
@click.option("--project-directory", help="Folder that relative paths start from.")
@click.version_option(__version__, prog_name="bluegreen", message="%(prog)s %(version)s")
@click.pass_context
def cli(
    context: click.Context,
    files: tuple[str, ...],
    project_name: str | None,
    env_files: tuple[str, ...],
    project_directory: str | None,
) -> None:
    """Blue/green releases with Docker Compose and nginx on one machine: no request lost, back at once."""
    context.obj = Options(files, project_name, env_files, project_directory)


@cli.command()
@click.option("--adopt", is_flag=True, help="Take over from what plain Compose runs of the release services.")
@BUILD
@PULL
@OWNER
@EXPECT
@NOTE
@REVISION
@MIGRATE
@HERE
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def up(
    options: Options,
    /,
    *,
    adopt: bool,
    no_build: bool,
    pull: bool,
    owner: str,
    expect: str,
    note: str,
    revision: str,
    migrate: Any,
    here: bool,
    wait: float,
    dry_run: bool,
    json_: bool,
    progress: str,
) -> int:
    """Start what is missing: shared services, proxy, and the first color."""
    from bluegreen.cli.claim import bring_home, forget_old_place
    from bluegreen.flow.switch import Request
    from bluegreen.flow.up import plan_up
    from bluegreen.flow.up import up as story

    app = App(options, output.choose(progress))
    stack = app.stack
    given = app.note(Note(owner, expect, note, revision), ())
    request = Request("up", False, not no_build, pull, adopt, given, migrate)
    if dry_run:
        tools = app.tools(stack.app)
        plan = plan_up(tools, stack, app.wish(tools, stack), request)
        return _show_plan(plan, json_, (*stack.notices, *stack.together))
    app.claim(here)
    with app.acting("up", wait):
        app.record()
        bring_home(app)
        tools = app.tools(stack.app)
        _notices(tools, stack.notices)
        result = story(tools, stack, app.wish(tools, stack), request)
        if result.error is None:
            forget_old_place(app)
        return _show(result, app, json_)


@cli.command()
@click.option(
    "--to", type=int, default=None, metavar="RELEASE", help="Bring a kept release back: its images, its services."
)
@click.option("--force", is_flag=True, help="Release even when nothing has changed, or over an irreversible migration.")
@BUILD
@PULL
@IMAGE
@OWNER
@EXPECT
@NOTE
@REVISION
@MIGRATE
@HERE
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def switch(options: Options, /, **typed: Any) -> int:
    """Release: the new containers on the idle color, proven, then traffic."""
    return _release(options, "switch", **typed)


@cli.command()
@click.option("--force", is_flag=True, help="Prepare anew even when it stands prepared.")
@BUILD
@PULL
@IMAGE
@OWNER
@EXPECT
@NOTE
@REVISION
@MIGRATE
@HERE
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def prepare(options: Options, /, **typed: Any) -> int:
    """The first half of a switch: the new release on the idle color, for preview; no traffic moves."""
    return _release(options, "prepare", **typed)


def _release(
    options: Options,
    verb: Any,
    *,
    force: bool,
    no_build: bool,
    pull: bool,
    images: tuple[str, ...],
    owner: str,
    expect: str,
    note: str,
    revision: str,
    migrate: Any,
    here: bool,
    wait: float,
    dry_run: bool,
    json_: bool,
    progress: str,
    to: int | None = None,
) -> int:
    from bluegreen.flow.switch import Request, plan_switch
    from bluegreen.flow.switch import switch as story

    app = App(options, output.choose(progress))
    overrides = arguments.overrides(images)
    stack = app.with_images(overrides)
    said = app.note(Note(owner, expect, note, revision), stack.settings.require)
    request = Request(verb, force, not no_build, pull, note=said, migrate=migrate, overrides=overrides)
    if app.routing is None or app.routing.live is None:
        raise _before_up(app)
    app.claim(here)
    with contextlib.nullcontext() if dry_run else app.acting(verb, wait):
        if not dry_run:
            app.record()
        tools = app.tools(stack.app)
        if to is None:
            wish = app.wish(tools, stack)
        else:
            stack, wish, request = _restoring(app, tools, to, request, images)
        if dry_run:
            return _show_plan(plan_switch(tools, stack, wish, request), json_, (*stack.notices, *stack.together))
        return _show(story(tools, stack, wish, request), app, json_)


def _restoring(app: App, tools: Tools, to: int, request: Any, images: Sequence[str]) -> tuple[Any, Any, Any]:
    """(stack, wish, request) of a kept release that is brought back."""
    if images or request.pull:
        raise click.UsageError(
            "--to brings a release back with its own images, so --image and --pull do not go with it"
        )
    restored = app.bring_back(tools, to, request.force)
    wish = replace(app.wish(tools, restored.stack), definition=restored.definition, build=False)
    return restored.stack, wish, replace(request, restored=restored)


@cli.command("flip-back")
@click.option("--force", is_flag=True, help="Flip even to a color that is not healthy.")
@click.option("--now", is_flag=True, help="End another bluegreen that is still preparing, and act.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def flip_back(options: Options, force: bool, now: bool, wait: float, dry_run: bool, json_: bool, progress: str) -> int:
    """Back to the previous release, at once. Needs neither the Compose file nor a registry."""
    from bluegreen.flow.flip_back import Wanted
    from bluegreen.flow.flip_back import flip_back as story
    from bluegreen.flow.observe import observe
    from bluegreen.plans.flip_back import plan_flip_back

    app = App(options, output.choose(progress))
    if app.routing is None:
        raise _before_up(app)
    name = app.running_app(acts=True)
    if dry_run:
        return _show_plan(plan_flip_back(observe(app.tools(name)), force), json_)
    with app.acting("flip-back", wait, now):
        return _show(story(app.tools(name), Wanted(force, lambda: app.stack)), app, json_)


@cli.command()
@JSON
@click.pass_obj
def status(options: Options, json_: bool) -> int:
    """What is live, what is idle, how they are, and how to go back."""
    from bluegreen.look.status import status as story

    app = App(options, output.choose("none"))
    if app.routing:
        state = story(app.tools(app.running_app()), urls(app.routing.listen), app.routing.preview)
    else:
        state = _status_without_state(app)
    if json_:
        output.as_json(state)
    else:
        output.result(report.status_text(state, app.command, datetime.now(UTC)))
    return 0


@cli.command("apps")
@JSON
def all_apps(json_: bool) -> int:
    """All apps of this machine: name, live release, URL, folder, owner."""
    from bluegreen.cli import apps

    found, notes = apps.apps()
    for words in notes:
        output.note(f"Note: {output.clean(words)}")
    if json_:
        output.as_json({"apps": found, "notes": notes})
    else:
        output.result("\n".join(output.clean(line) for line in apps.lines(found)))
    return int(ExitCode.DONE)


@cli.command()
@click.argument("words", nargs=-1, metavar="[METHOD PATH]...")
@click.option("--record", is_flag=True, help="Ask the live color for these, and write its answers down.")
@click.option(
    "-H", "--header", "headers", multiple=True, metavar="NAME: VALUE", help="A header to send; ${NAME} is filled in."
)
@click.option("-d", "--data", default=None, help="A body to send.")
@click.option(
    "--color", type=click.Choice(["live", "idle"]), default="live", show_default=True, help="Which color is asked."
)
@JSON
@click.pass_obj
def expect(
    options: Options,
    words: tuple[str, ...],
    record: bool,
    headers: tuple[str, ...],
    data: str | None,
    color: Any,
    json_: bool,
) -> int:
    """Hold a color against the recorded answers; --record METHOD PATH … records them from the live one."""
    from bluegreen.flow import answers as story

    app = App(options, output.choose("auto" if record else "none"))
    if record:
        return _record(app, arguments.requests(words, headers, data), json_)
    if words or headers or data:
        raise click.UsageError("requests are only given to be recorded: --record METHOD PATH")
    tools, settings, folder = app.tools(app.stack.app), app.stack.settings, app.stack.project_directory
    found = story.ask_color(tools, story.load(tools, settings, folder), color, folder)
    if json_:
        output.as_json(found)
    else:
        output.result(report.expected_text(found))
    return int(ExitCode.DONE if found["ok"] else ExitCode.FAILED)


def _record(app: App, requests: Sequence[Any], json_: bool) -> int:
    from bluegreen.flow import answers as story

    settings, folder = app.stack.settings, app.stack.project_directory
    with app.acting("expect"):
        tools = app.tools(app.stack.app)
        everything, said = story.record(tools, story.load(tools, settings, folder), requests, folder)
        file = story.expected_file(settings, folder)
        tools.expected.write(file, everything)
    _notices(tools, tuple(said))
    shown = {"file": str(file), "recorded": [it.request for it in requests], "all": len(everything)}
    if json_:
        output.as_json({**shown, "notices": said})
    else:
        output.result(report.recorded_text(shown, app.command))
    return int(ExitCode.DONE)


@cli.command()
@JSON
@click.pass_obj
def check(options: Options, json_: bool) -> int:
    """May I release this? Looks at everything that a switch needs; changes nothing. Exit 1: not before it is mended."""
    from bluegreen.domain.findings import may_release
    from bluegreen.look.check import check as story

    app = App(options, output.choose("none"))
    stack = app.stack
    tools = app.tools(stack.app)
    found, plan = story(tools, stack, app.wish(tools, stack), app.state)
    ready = may_release(found)
    if json_:
        findings = [finding.as_dict() for finding in found]
        output.as_json({"ready": ready, "findings": findings, "plan": plan.as_dict() if plan else None})
    else:
        output.result(report.findings_text(found, plan, ready))
    return int(ExitCode.DONE if ready else ExitCode.FAILED)


@cli.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many releases.")
@JSON
@click.pass_obj
def history(options: Options, limit: int, json_: bool) -> int:
    """What was released: who, when, what changed, how it went."""
    from bluegreen.look.history import history as story

    app = App(options, output.choose("none"))
    releases = story(app.tools(app.running_app()), limit)
    if json_:
        output.as_json({"releases": releases})
    else:
        output.result(report.history_text(releases, datetime.now(UTC)))
    return 0


@cli.command()
@click.argument("release", type=int, required=False)
@JSON
@click.pass_obj
def show(options: Options, release: int | None, json_: bool) -> int:
    """Everything that is known of one release (default: the live one), with the output of its migration and hooks."""
    from bluegreen.look.history import show as story

    app = App(options, output.choose("none"))
    found = story(app.tools(app.running_app()), release)
    if json_:
        output.as_json(found)
    else:
        output.result(report.release_text(found, app.command))
    return 0


@cli.command()
@click.option(
    "--copy-volumes", is_flag=True, help="With copies of the volumes, measured first; otherwise they are empty."
)
@click.option("--outside", is_flag=True, help="Although variables lead to databases outside of the Compose file.")
@JSON
@PROGRESS
@click.pass_obj
def rehearse(options: Options, copy_volumes: bool, outside: bool, json_: bool, progress: str) -> int:
    """Staging: the real switch and flip-back of the release to come, beside production, which is not touched."""
    from bluegreen.cli.rehearsing import Stage
    from bluegreen.features.rehearsal import rehearse as story

    app = App(options, output.choose(progress))
    stack, wanted = app.stack, story.Wanted(copy_volumes, outside)
    tools = app.tools(stack.app)
    story.refuse(tools, stack, wanted)
    with app.rehearsing(), Stage(app, stack) as stage:
        found = story.rehearse(tools, stack, stage, wanted)
    if json_:
        output.as_json(found)
    else:
        output.result(report.rehearsal_text(found, app.command))
    return int(ExitCode.DONE if found["outcome"] == "well" else ExitCode.FAILED)


@cli.command()
@click.pass_obj
def runbook(options: Options) -> int:
    """Print a page for this very app: what runs where, how to release, to go back, and to tell that it is well."""
    from bluegreen.cli.page import page
    from bluegreen.look.runbook import runbook as story

    app = App(options, output.choose("none"))
    settings = app.stack.settings
    preview = str(settings.preview) if settings.preview else None
    facts = story(app.tools(app.stack.app), app.stack, urls([str(at) for at in settings.listen]), preview)
    output.result(page(facts, datetime.now(UTC)))
    return int(ExitCode.DONE)


@cli.command()
@click.argument("what", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on as new lines arrive.")
@click.option("-n", "--tail", type=int, default=None, help="Only the last lines of each container.")
@click.pass_obj
def logs(options: Options, what: tuple[str, ...], follow: bool, tail: int | None) -> int:
    """Logs of both colors, or of [COLOR] [SERVICE], each line with the name of its container."""
    from bluegreen.look import logs as story

    color = next((word for word in what if word in ("blue", "green")), None)
    service = next((word for word in what if word != color), None)
    app = App(options, output.choose("none"))
    engine = app.tools(app.running_app()).engine
    replicas = story.choose(engine, color, service)
    width = max(len(replica.name) for replica in replicas)
    for line in story.lines(engine, replicas, tail, follow):
        name = output.paint(f"{line.replica.name:<{width}}", line.replica.color, sys.stdout)
        output.result(f"{name}  {output.clean(line.text)}")
    return 0


@cli.command()
@click.option("--volumes", is_flag=True, help="Remove the named volumes as well: the data is gone.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@WAIT
@DRY_RUN
@JSON
@PROGRESS
@click.pass_obj
def down(options: Options, volumes: bool, yes: bool, wait: float, dry_run: bool, json_: bool, progress: str) -> int:
    """Stop and remove everything of this app. Named volumes stay unless --volumes."""
    from bluegreen.flow.down import down as story
    from bluegreen.flow.down import plan_ending

    app = App(options, output.choose(progress))
    name = app.running_app(acts=True)
    if dry_run:
        tools = app.tools(name)
        return _show_plan(plan_ending(tools, _stack_or_none(app, tools), volumes), json_)
    if not yes and not _sure(
        f"Stop {name}? It will serve nothing until the next up{' and its volumes are deleted' if volumes else ''}."
    ):
        return ExitCode.FAILED
    with app.acting("down", wait):
        tools = app.tools(name)
        result = story(tools, _stack_or_none(app, tools), volumes)
        if result.error is None:
            _remove_state(app.state)
    return _show(result, app, json_)


@cli.command()
@click.option("--write", is_flag=True, help="Add the block at the end of the Compose file; nothing else changes.")
@JSON
@click.pass_obj
def init(options: Options, write: bool, json_: bool) -> int:
    """Print the smallest x-bluegreen block for this Compose file; without a file, write all of it for a FastAPI app."""
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


@cli.command()
def schema() -> int:
    """Print the JSON Schema of the x-bluegreen block."""
    from bluegreen.settings.schema import json_schema

    output.as_json(json_schema())
    return 0


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the shell's completion script: eval "$(bluegreen completion bash)"."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind:
        output.result(kind(cli, {}, "bluegreen", "_BLUEGREEN_COMPLETE").source())
    return 0


# -- showing


def _show(result: Result, app: App, json_: bool) -> int:
    return show_result(result, app.command, app.routing.preview if app.routing else None, json_)


def _show_plan(plan: Any, json_: bool, notices: tuple[str, ...] = ()) -> int:
    if json_:
        output.as_json({**plan.as_dict(), "notices": list(notices)})
    else:
        output.result(report.plan_text(plan, notices))
    return 0


def _notices(tools: Tools, notices: tuple[str, ...]) -> None:
    for notice in notices:
        tools.show.notice(notice)


# -- small questions


def _status_without_state(app: App) -> dict[str, Any]:
    """The state folder is gone: what is live comes from nginx and the Engine, the rest from the Compose file."""
    from bluegreen.look.status import status as story

    if not app.runs():
        raise _before_up(app)
    settings = app.stack.settings
    preview = str(settings.preview) if settings.preview else None
    return story(app.tools(app.stack.app), urls([str(at) for at in settings.listen]), preview, app.stack)


def _before_up(app: App) -> BluegreenError:
    from bluegreen.cli.claim import refuse_another_name

    app.running_app()  # a missing or broken Compose file is the better message
    refuse_another_name(app)
    if app.routing:
        left = app.tools(app.routing.app).journal.unfinished()
        return BluegreenError(
            "Nothing is live yet.",
            failed=f"an {left.verb} (started {left.started}) never ended" if left else "no up has come to its end",
            expected="a live color", traffic="none yet", retry="safe", next=f"{app.command} up (begins it again)",
            exit_code=ExitCode.FAILED,
        )  # fmt: skip
    if app.runs():
        return BluegreenError(
            "The state folder is gone, or the rendered file in it.",
            failed=f"{app.state / 'nginx' / 'nginx.conf'} is not there, and nginx runs",
            expected="the file that the last switch left", traffic="as nginx has it loaded (unchanged)", retry="safe",
            next=f"{app.command} up (makes it again from labels and nginx)", exit_code=ExitCode.FAILED,
        )  # fmt: skip
    return BluegreenError(
        "Nothing is live yet.", failed="bluegreen up has not made the first color", expected="a live color",
        traffic="none yet", retry="safe", next=f"{app.command} up", exit_code=ExitCode.FAILED,
    )  # fmt: skip


def _sure(question: str) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError("down asks before it acts; without a terminal, say --yes")
    return click.confirm(question, default=False, err=True)


def _stack_or_none(app: App, tools: Tools) -> Any:
    try:
        return app.stack
    except BluegreenError as error:
        tools.show.notice(f"The Compose file cannot be read ({error}), so shared services are left as they are.")
        return None


def _remove_state(state: Path) -> None:
    import shutil

    for name in ("nginx", "run"):
        shutil.rmtree(state / name, ignore_errors=True)


# -- the way in


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; every error ends here."""

    def run() -> int:
        try:
            return int(cli.main(arguments, prog_name="bluegreen", standalone_mode=False) or 0)
        except click.exceptions.Abort:
            return int(ExitCode.INTERRUPTED)
        except click.ClickException as error:
            error.show()
            return int(ExitCode.USAGE)

    return guarded(run, "--json" in (sys.argv[1:] if arguments is None else arguments))
