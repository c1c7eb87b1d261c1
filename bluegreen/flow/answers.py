"""Recorded answers: recorded from the live color, and compared with the new one before it gets traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from bluegreen.domain.answers import SAFE, SECRET, VARIABLE, Answer, Expectation, differences
from bluegreen.domain.app import EXPECTED_FILE, Settings
from bluegreen.domain.learning import Identity, learn, merge
from bluegreen.domain.words import counted
from bluegreen.domain.world import World
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.observe import observe
from bluegreen.flow.values import Tools

Where = Literal["public", "preview"]
TIMES = 3  # times that a request is asked to be recorded: what differs is volatile
PAUSE = 0.6  # seconds between two of them; all of them span more than a second, so that a clock's seconds differ
SHOWN_LINES = 20  # differences that an error shows


@dataclass(frozen=True)
class Compared:
    """One recorded request and how its answer differed."""

    request: str
    differences: tuple[str, ...]
    typed: str = ""  # as `expect --record` takes it


def expected_file(settings: Settings, folder: str) -> Path:
    return Path(folder, settings.expected)


def load(tools: Tools, settings: Settings, folder: str) -> tuple[Expectation, ...]:
    """The recorded answers of an app; none, when nothing was recorded. Raises BluegreenError for a broken file."""
    found = tools.expected.read(expected_file(settings, folder))
    if found is None and settings.expected != EXPECTED_FILE:
        raise BluegreenError(
            f"{settings.expected} does not exist.", code="no-recorded-answers", failed="x-bluegreen.expected names it",
            expected="a file of recorded answers", retry="safe, when it is there",
            next=f"{tools.command} expect --record GET /", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return found or ()


def compare(tools: Tools, expectations: Sequence[Expectation], where: Where, folder: str) -> list[Compared]:
    """Asks every recorded request once. Raises BluegreenError when a variable that one takes is not set."""
    values = _values(tools, expectations, folder)
    found = []
    for wanted in expectations:
        tools.show.progress(f"expected: {wanted.request}")
        answer = _ask(tools, wanted, where, values)
        wrong = tuple(map(tools.mask, differences(wanted, answer)))
        found.append(Compared(wanted.request, wrong, wanted.typed))
    return found


def gate(tools: Tools, expectations: Sequence[Expectation], color: str, folder: str) -> str:
    """Holds the idle color against the recorded answers. Raises BluegreenError with the differences."""
    compared = compare(tools, expectations, "preview", folder)
    wrong = [it for it in compared if it.differences]
    if wrong:
        lines = [f"{it.request}: {line}" for it in wrong for line in it.differences]
        more = [f"and {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
        old = _outdated(tools, expectations, wrong, folder)
        again = " ".join(it.typed for it in old)
        raise BluegreenError(
            f"{color} does not answer as recorded.", code="answers-differ",
            failed=f"{len(wrong)} of {counted(len(compared), 'recorded answer')} differ"
            f"{f'; live differs in the same way in {len(old)} of them' if old else ''}",
            expected="the recorded answers, through the preview listener", retry="safe",
            next=f"{tools.command} expect --record {again} (records what live answers today)" if len(old) == len(wrong)
            else "fix the release; or, if the change is wanted, edit the recorded answers",
            lines=[*lines[:SHOWN_LINES], *more, *(f"{it.request}: live differs in the same way" for it in old)],
        )  # fmt: skip
    return counted(len(compared), "recorded answer")


def _outdated(
    tools: Tools, expectations: Sequence[Expectation], wrong: Sequence[Compared], folder: str
) -> list[Compared]:
    """Those where live differs in the same way: the record is out of date, and the release is not the cause."""
    differing = {it.typed: it.differences for it in wrong}
    asked = [it for it in expectations if it.typed in differing and it.method in SAFE]
    live = compare(tools, asked, "public", folder) if asked else []
    return [it for it in live if it.differences == differing[it.typed]]


def ask_color(
    tools: Tools, expectations: Sequence[Expectation], color: Literal["live", "idle"], folder: str
) -> dict[str, Any]:
    """`expect`: compares a color's answers with the recorded ones. Raises BluegreenError when there is none."""
    world = observe(tools)
    wanted = world.live if color == "live" else world.idle
    if not expectations:
        raise BluegreenError(
            "There are no recorded answers yet.", code="no-recorded-answers", failed="no request was recorded",
            expected="requests and the answers that a release must give", retry="safe",
            next=f"{tools.command} expect --record GET /",
        )  # fmt: skip
    if wanted is None or world.live is None or world.slot(wanted) is None:
        raise BluegreenError(
            f"There is no {color} color to ask.", code="color-empty",
            failed="it has no containers", expected="a release",
            retry="safe", next=f"{tools.command} status",
        )  # fmt: skip
    compared = compare(tools, expectations, "public" if color == "live" else "preview", folder)
    return {
        "color": wanted,
        "release": world.slot(wanted).release,  # type: ignore[union-attr]  # looked at above
        "ok": not any(it.differences for it in compared),
        "answers": [{"request": it.request, "differences": list(it.differences)} for it in compared],
    }


def record(
    tools: Tools, known: Sequence[Expectation], asked: Sequence[Expectation], folder: str, exact: bool = False
) -> tuple[list[Expectation], list[str]]:
    """(all recorded answers with the new ones in their places, what the person should know).

    `exact`: lists with their entries; else as the shape that their entries share.
    Raises BluegreenError when the live color gives no complete answer, or a secret would be written down.
    """
    world = observe(tools)
    live = world.slot(world.live) if world.live else None
    if live is None:
        raise BluegreenError(
            "Nothing is live yet, so there is nothing to record.", code="nothing-live", failed="no live color",
            expected="a live release", retry="safe", next=f"{tools.command} up",
        )  # fmt: skip
    for wanted in asked:
        _refuse_secrets(tools, wanted)
    values = _values(tools, asked, folder)
    merged = {it.key: it for it in known}
    said = []
    for wanted in asked:
        answers = _answers(tools, wanted, values, live.color)
        beside = _beside(tools, world, wanted, values)
        learned = learn(wanted, answers, Identity(live.color, live.release), beside, exact)
        learned = _without_secrets(tools, learned)
        before = merged.get(wanted.key)
        merged[wanted.key] = merge(before, learned, answers[0].as_json(), exact) if before else learned
        if before and merged[wanted.key] != learned:
            said.append(f"{wanted.request} was recorded before. Your edits stay where they still fit.")
        if wanted.method not in SAFE:
            said.append(f"{wanted.request} may change data. It was sent once now; every switch sends it again.")
    return list(merged.values()), said


def _answers(tools: Tools, wanted: Expectation, values: Mapping[str, str], color: str) -> list[Answer]:
    """What live answers, several times if that does no harm."""
    answers: list[Answer] = []
    for number in range(TIMES if wanted.method in SAFE else 1):
        if number:
            tools.sleep(PAUSE)
        tools.show.progress(f"recording: {wanted.request}")
        answers.append(_ask(tools, wanted, "public", values))
    problem = next((it.problem for it in answers if it.problem), "")
    if problem or len({it.status for it in answers}) > 1 or answers[0].status >= 500:
        statuses = ", ".join(str(it.status) for it in answers)
        raise BluegreenError(
            f"The answer of the live color to {wanted.request} cannot be recorded.", code="answers-vary",
            failed=problem or f"answered {statuses}", expected="the same status each time, below 500",
            retry="safe", next=f"{tools.command} logs {color}",
        )  # fmt: skip
    return answers


def _beside(
    tools: Tools, world: World, wanted: Expectation, values: Mapping[str, str]
) -> tuple[Identity, Answer] | None:
    """What the idle color answers to the same, if it may be asked."""
    idle = world.idle_slot
    if idle is None or wanted.method not in SAFE:
        return None
    answer = _ask(tools, wanted, "preview", values)
    return None if answer.problem else (Identity(idle.color, idle.release), answer)


def _without_secrets(tools: Tools, learned: Expectation) -> Expectation:
    """What is written down keeps no value that a release was given: `#string` is in its place."""

    def hidden(value: Any) -> Any:
        if isinstance(value, str):
            return value if tools.mask(value) == value else "#string"
        if isinstance(value, Mapping):
            return {name: hidden(entry) for name, entry in value.items()}
        return [hidden(entry) for entry in value] if isinstance(value, list) else value

    headers = {name: value for name, value in learned.answer_headers.items() if tools.mask(value) == value}
    return replace(learned, json=hidden(learned.json), answer_headers=headers)


def _ask(tools: Tools, wanted: Expectation, where: Where, values: Mapping[str, str]) -> Answer:
    filled = replace(
        wanted,
        path=wanted.filled_in(wanted.path, values),
        headers={name: wanted.filled_in(value, values) for name, value in wanted.headers.items()},
        body=None if wanted.body is None else wanted.filled_in(wanted.body, values),
    )
    return tools.prober.ask(where, filled)


def _values(tools: Tools, expectations: Sequence[Expectation], folder: str) -> dict[str, str]:
    names = sorted({name for it in expectations for name in it.variables()})
    found = tools.compose.variables(names, Path(folder)) if names else {}
    if missing := [name for name in names if found.get(name) is None]:
        raise BluegreenError(
            f"The environment variable {missing[0]} is not set.", code="variable-not-set",
            failed=f"a recorded request takes {', '.join(missing)}", expected="a value in the environment or in .env",
            retry="safe, when it is set", exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def _refuse_secrets(tools: Tools, wanted: Expectation) -> None:
    query = dict(parse_qsl(urlsplit(wanted.path).query))
    for kind, given in (("header", wanted.headers), ("parameter", query)):
        for name, value in given.items():
            if SECRET.search(name) and not VARIABLE.search(value):
                raise BluegreenError(
                    f"The {kind} {name} looks like a secret, and recorded answers are kept in a file.",
                    code="secret-in-request",
                    failed=f"{kind} {name} was given with its value", expected="${NAME} in its place: its value then "
                    "comes from the environment each time", retry="safe",
                    next=f"{tools.command} expect --record {wanted.method} PATH, with ${{NAME}} for {name}",
                    exit_code=ExitCode.USAGE,
                )  # fmt: skip
