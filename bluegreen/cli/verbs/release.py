"""up, switch and prepare: the verbs that release."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from bluegreen.cli import arguments, output, wishes
from bluegreen.cli.app import App
from bluegreen.cli.common import new_notices, refuse_before_up, show, show_plan
from bluegreen.cli.complete import offers, releases
from bluegreen.cli.options import BUILD, CANARY, IMAGE, PULL, RELEASE, WATCH, Typed, several
from bluegreen.compose.options import Options
from bluegreen.domain.app import Stack
from bluegreen.flow.values import Result, Tools


@click.command()
@click.option("--adopt", is_flag=True, help="Take over the port from containers that plain Compose runs.")
@click.option("--live", type=click.Choice(["blue", "green"]), help="Which color was live, if nothing else says it.")
@BUILD
@PULL
@RELEASE
@click.pass_obj
def up(options: Options, /, **words: Any) -> int:
    """Start what is missing: shared services, proxy, first color. Repair what is broken."""
    typed = Typed(**words)
    app = App(options, output.choose(typed.progress))
    stack = app.stack

    from bluegreen.cli.claim import bring_home, claim, forget_old_place, record
    from bluegreen.cli.preview import with_free
    from bluegreen.flow.making import Request
    from bluegreen.flow.up import plan_up
    from bluegreen.flow.up import up as story

    given = wishes.note(app, typed.said, ())
    request = Request(
        "up",
        False,
        not typed.no_build,
        typed.pull,
        typed.adopt,
        typed.live,
        note=given,
        typed=typed.said,
        migrate=typed.migrate,
    )
    if typed.dry_run:
        tools = app.tools(stack.app)
        stack = with_free(app, tools, stack)
        plan = plan_up(tools, stack, wishes.wish(app, tools, stack, proxy=True), request)
        return show_plan(plan, typed.json_, (*stack.notices, *stack.together))
    claim(app, typed.here)
    with app.acting("up", typed.wait):
        record(app)
        bring_home(app)
        _write_down(app, stack)
        tools = app.tools(stack.app)
        stack = with_free(app, tools, stack)
        new_notices(app, tools, stack.notices)
        result = story(tools, stack, wishes.wish(app, tools, stack, proxy=True), request)
        if result.error is None:
            with contextlib.suppress(OSError):  # the next up tries again; what was done is done
                forget_old_place(app)
    _after(app, stack, result)
    return _after_up(app, typed, result)


def _write_down(app: App, stack: Stack) -> None:
    """What the block says of TLS, for renewals; nothing is loaded for an app without it."""
    if stack.settings.tls or (app.state / "tls").is_dir():
        from bluegreen.cli import certificates

        certificates.write_down(app, stack)


def _after(app: App, stack: Stack, result: Result) -> None:
    """The lock is free again: nobody waits for a CA or a webhook but who typed this command."""
    if stack.settings.notify:
        from bluegreen.cli import notices

        notices.after(app, result, stack.settings.notify)
    if stack.settings.tls and result.error is None:
        from bluegreen.cli import certificates

        result.warnings += certificates.in_passing(app)
        if stack.settings.notify:
            result.warnings += notices.of_certificates(app)


def _after_up(app: App, typed: Typed, result: Result) -> int:
    if result.error is None and typed.adopt:
        from bluegreen.cli import profiles

        result.warnings += profiles.after_adoption(app, typed.json_)
    return show(result, app, typed.json_)


@click.command()
@click.option(
    "--to",
    type=int,
    default=None,
    metavar="RELEASE",
    help="Bring a kept release back: its images, its services.",
    shell_complete=offers(releases),
)
@click.option(
    "--force",
    is_flag=True,
    help="Release even if nothing has changed. With --to: even if a later migration is not reversible.",
)
@WATCH
@click.option(
    "--compare", type=click.IntRange(0, 1000), default=None, metavar="COUNT",
    help="Ask both colors so many recent GETs before traffic moves, and show how the answers differ; 0: none.",
)  # fmt: skip
@several(*CANARY)
@BUILD
@PULL
@IMAGE
@RELEASE
@click.pass_obj
def switch(options: Options, /, **words: Any) -> int:
    """Release: start and check new containers on the idle color, then move traffic."""
    return _release(options, "switch", Typed(**words))


@click.command()
@click.option("--force", is_flag=True, help="Prepare again even if it is prepared already.")
@click.option("--give-up", is_flag=True, help="Remove a prepared release. The previous release is the way back again.")
@BUILD
@PULL
@IMAGE
@RELEASE
@click.pass_obj
def prepare(options: Options, /, give_up: bool, **words: Any) -> int:
    """The first half of a switch: start and check the new release on the idle color. Traffic does not move."""
    typed = Typed(**words)
    return _give_up(options, typed) if give_up else _release(options, "prepare", typed)


def _give_up(options: Options, typed: Typed) -> int:
    app = App(options, output.choose(typed.progress))

    from bluegreen.flow.give_up import give_up
    from bluegreen.flow.observe import observe
    from bluegreen.plans.give_up import plan_give_up

    refuse_before_up(app, 0.0 if typed.dry_run else typed.wait)
    if typed.dry_run:
        return show_plan(plan_give_up(observe(app.tools(app.stack.app))), typed.json_)
    with app.acting("prepare", typed.wait):
        refuse_before_up(app)
        return show(give_up(app.tools(app.stack.app), app.stack), app, typed.json_)


def _release(options: Options, verb: Any, typed: Typed) -> int:
    app = App(options, output.choose(typed.progress))
    overrides, shares = arguments.overrides(typed.images), typed.shares
    stack = wishes.with_images(app, overrides)

    from bluegreen.cli.claim import claim, record
    from bluegreen.flow.making import Request
    from bluegreen.flow.switch import plan_switch
    from bluegreen.flow.switch import switch as story

    said = wishes.note(app, typed.said, stack.settings.require)
    request = Request(
        verb,
        typed.force,
        not typed.no_build,
        typed.pull,
        note=said,
        typed=typed.said,
        migrate=typed.migrate,
        overrides=overrides,
    )
    refuse_before_up(app, 0.0 if typed.dry_run else typed.wait)
    claim(app, typed.here)
    with contextlib.nullcontext() if typed.dry_run else app.acting(verb, typed.wait):
        if not typed.dry_run:
            refuse_before_up(app)
            record(app)
            _write_down(app, stack)
        tools = app.tools(stack.app)
        if typed.to is None:
            wish = wishes.wish(app, tools, stack)
        else:
            stack, wish, request = _restoring(app, tools, typed.to, request, typed.images)
        wish = wishes.moves(replace(wish, compare=_compared(stack, typed)), stack, shares, typed.watch, typed.every)
        if typed.dry_run:
            return show_plan(plan_switch(tools, stack, wish, request), typed.json_, (*stack.notices, *stack.together))
        result = story(tools, stack, wish, request)
    _after(app, stack, result)
    return show(result, app, typed.json_)


def _compared(stack: Stack, typed: Typed) -> int:
    """How many requests are asked of both colors: as typed, else the usual number if they can stop the switch."""
    if typed.compare is not None:
        return typed.compare
    if stack.settings.compare.fail is None:
        return 0
    from bluegreen.flow.compare import USUAL

    return USUAL


def _restoring(app: App, tools: Tools, to: int, request: Any, images: Sequence[str]) -> tuple[Any, Any, Any]:
    """(stack, wish, request) of a kept release that is brought back."""
    if images or request.pull:
        raise click.UsageError(
            "--to brings a release back with its own images, so --image and --pull do not go with it"
        )
    restored = wishes.restored(app, tools, to, request.force)
    ids = {name: image.id for name, image in restored.images.items()}
    wish = wishes.wish(app, tools, restored.stack)
    wish = replace(wish, definition=restored.definition, build=False, images=ids)
    note = request.note  # of what runs, not of what is checked out today
    if not request.typed.revision:
        note = replace(note, revision=restored.revision, subject=restored.subject)
    return restored.stack, wish, replace(request, restored=restored, note=note)
