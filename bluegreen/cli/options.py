"""The options that several verbs have, and what was typed with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import click

from bluegreen.cli import arguments
from bluegreen.cli.complete import images, offers
from bluegreen.domain.release import Note

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
    help="Wait this long for another bluegreen command to end, such as 60s.",
)  # fmt: skip
OWNER = click.option("--owner", default="", help="Who answers for this release (default: git's user, or the login).")
EXPECT = click.option("--expect", default="", help="The result that is expected of it.")
NOTE = click.option("--note", default="", help="What one must know to go back from it.")
REVISION = click.option("--revision", default="", help="The revision that it is made of (default: git's).")
MIGRATE = click.option(
    "--migrate", type=click.Choice(["again", "skip"]), default=None,
    help="What to do about a migration that was cut: run it again, or take it as done.",
)  # fmt: skip
WATCH = click.option(
    "--watch", type=arguments.Seconds(), default=None, metavar="DURATION", envvar="BLUEGREEN_WATCH",
    help="How long to watch real traffic before it is settled, instead of the setting; 0s: not.",
)  # fmt: skip
HERE = click.option("--here", is_flag=True, help="This folder takes the place of the one that the app was made from.")
EVERY = 300.0  # seconds between two steps of --steps
CANARY = (
    click.option("--canary", type=arguments.Share(), default=None, metavar="SHARE",
                 help="Only for this share of visitors, such as 5%. All others stay where they are."),
    click.option("--steps", type=arguments.Shares(), default=None, metavar="SHARES",
                 help="Growing shares of visitors, one after the other: 1,5,25,100."),
    click.option("--every", type=arguments.Seconds(), default=None, metavar="DURATION",
                 help="With --steps: how long each share is on, such as 10m (default: 5m)."),
)  # fmt: skip
IMAGE = click.option(
    "--image",
    "images",
    multiple=True,
    metavar="SERVICE=REF",
    help="Another image for a service.",
    shell_complete=offers(images),
)


def several(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


RELEASE = several(OWNER, EXPECT, NOTE, REVISION, MIGRATE, HERE, WAIT, DRY_RUN, JSON, PROGRESS)


@dataclass(frozen=True)
class Typed:
    """What a person typed with a verb that releases."""

    no_build: bool
    pull: bool
    owner: str
    expect: str
    note: str
    revision: str
    migrate: Literal["again", "skip"] | None
    here: bool
    wait: float
    dry_run: bool
    json_: bool
    progress: str
    force: bool = False
    adopt: bool = False
    images: tuple[str, ...] = ()
    to: int | None = None
    live: Literal["blue", "green"] | None = None
    watch: float | None = None
    compare: int | None = None
    canary: int | None = None
    steps: tuple[int, ...] | None = None
    every: float | None = None

    @property
    def shares(self) -> tuple[int, ...]:
        """Percent of visitors, step by step; empty: all of them. Raises click.UsageError."""
        return shares(self.canary, self.steps, self.every)

    @property
    def said(self) -> Note:
        return Note(self.owner, self.expect, self.note, self.revision)


def shares(canary: int | None, steps: tuple[int, ...] | None, every: float | None) -> tuple[int, ...]:
    """Percent of visitors, step by step; empty: all of them. Raises click.UsageError."""
    if canary is not None and steps is not None:
        raise click.UsageError("--canary is one share, --steps several; give one of the two")
    if every is not None and steps is None:
        raise click.UsageError("--every goes with --steps 1,5,25,100")
    return (canary,) if canary is not None else steps or ()
