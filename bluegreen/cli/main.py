"""The command line: verbs that are loaded when they are called, and the one way in."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from bluegreen import __version__
from bluegreen.cli import output
from bluegreen.cli.boundary import guarded
from bluegreen.compose.options import Options
from bluegreen.errors import ExitCode

# Verb: its file in verbs/, its function there, and the line that --help shows (a test holds it against the function).
VERBS: dict[str, tuple[str, str, str]] = {
    "apps": ("look", "all_apps", "All apps on this server: name, live release, URL, folder, owner."),
    "check": (
        "check",
        "check",
        "Check everything that a switch needs. Changes nothing. Exit 1: not ready.",
    ),
    "compare": (
        "compare",
        "compare",
        "Ask both colors recent GETs of visitors again and show how the answers differ. Traffic does not move.",
    ),
    "completion": ("shell", "completion", 'Print the shell\'s completion script: eval "$(bluegreen completion bash)".'),
    "down": ("ending", "down", "Stop and remove everything of this app. Named volumes stay, unless --volumes."),
    "expect": (
        "answers",
        "expect",
        "Compare a color's answers with the recorded ones; --record METHOD PATH … records them from the live color.",
    ),
    "flip-back": (
        "back",
        "flip_back",
        "Move traffic back to the previous release. Needs no Compose file and no registry.",
    ),
    "help": ("pages", "help_", "Explain a topic, a command, or an error by its code. Without a topic: the list."),
    "history": ("look", "history", "What was released: who, when, what changed, how it went."),
    "init": (
        "init",
        "init",
        "Print the smallest x-bluegreen block for this Compose file, with reasons; without a file, what is missing.",
    ),
    "logs": (
        "look",
        "logs",
        "Logs of both colors, or of one COLOR or SERVICE, of the proxy, or of a shared service.",
    ),
    "maintenance": (
        "maintenance",
        "maintenance",
        "Close the app for visitors (503 with a page), or open it again. Needs no Compose file.",
    ),
    "metrics": (
        "papers",
        "metrics",
        "Print metrics for Prometheus: up, live release, requests, latency, failures, switches, certificates.",
    ),
    "prepare": (
        "release",
        "prepare",
        "The first half of a switch: start and check the new release on the idle color. Traffic does not move.",
    ),
    "promote": ("promote", "promote", "Give the release of a canary to all visitors, or to a larger share."),
    "rehearse": (
        "check",
        "rehearse",
        "Run the next switch and a flip-back for real, beside production. Production is not touched.",
    ),
    "report": (
        "papers",
        "report",
        "Write a page about one release (default: the newest): traffic, verdict, steps, changes, as one HTML file.",
    ),
    "runbook": (
        "check",
        "runbook",
        "Print a page about this app for the person on call: what runs where, how to release, how to go back.",
    ),
    "schema": (
        "shell",
        "schema",
        "Print the JSON Schema of the x-bluegreen block, or of what VERB prints with --json.",
    ),
    "show": (
        "look",
        "show",
        "Everything about one release (default: the live one), with the output of its migration and hooks.",
    ),
    "status": (
        "status",
        "status",
        "Is it up, is it slow, do jobs fail, did the release change anything; what is live, and how to go back.",
    ),
    "switch": ("release", "switch", "Release: start and check new containers on the idle color, then move traffic."),
    "tls": (
        "tls",
        "tls",
        "Certificates: how they are, renew what is due, or set up the timer that renews them. Needs no Compose file.",
    ),
    "up": ("release", "up", "Start what is missing: shared services, proxy, first color. Repair what is broken."),
    "why": (
        "look",
        "why",
        "One request by its id (X-Request-ID): who answered it, when, and what the application wrote meanwhile.",
    ),
}


class Lazy(click.Group):
    """A group that loads a verb when it is called, and none to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in VERBS:
            return None
        file, name, _ = VERBS[cmd_name]
        found: click.Command = getattr(import_module(f"bluegreen.cli.verbs.{file}"), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from bluegreen.cli.habits import hint

            raise click.UsageError(f"There is no command {output.clean(args[0])!r}. {hint(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl([(verb, words) for verb, (_, _, words) in sorted(VERBS.items())])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
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
    """Blue/green releases with Docker Compose and nginx on one server: no request lost, back in a moment."""
    context.obj = Options(files, project_name, env_files, project_directory)


def reaching(arguments: list[str]) -> str:
    """The command with the global options of a command line, for messages; nothing of it is run."""
    try:
        typed = cli.make_context("bluegreen", list(arguments), resilient_parsing=True).params
    except click.ClickException:
        return "bluegreen"
    return Options(**{**typed, "files": typed["files"] or (), "env_files": typed["env_files"] or ()}).command()


def _leave_what_is_gone() -> None:
    """A folder that was deleted under the shell is no place to work in; an app can be named from anywhere."""
    try:
        os.getcwd()
    except OSError:
        output.note("Note: This folder is gone; it is as if this had been started in /.")
        os.chdir("/")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; every error ends here."""

    def run() -> int:
        _leave_what_is_gone()
        try:
            return int(cli.main(arguments, prog_name="bluegreen", standalone_mode=False) or 0)
        except click.exceptions.Abort:
            return int(ExitCode.INTERRUPTED)
        except click.ClickException as error:
            error.show()
            return int(ExitCode.USAGE)

    typed = sys.argv[1:] if arguments is None else arguments
    return guarded(run, "--json" in typed, lambda: reaching(typed))
