"""How an operation ended, in words: values in, text out. Cheap to import; flip-back prints with it."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.cli.output import clean
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Result

FIELDS = ("failed", "expected", "traffic", "retry", "next")
VERBS = {"switched": "Switched", "flipped-back": "Flipped back", "prepared": "Prepared"}


def error_text(error: BluegreenError) -> str:
    """An error as a person meets it: one sentence, then its fields, then the lines that belong to it."""
    found = [f"Error: {clean(error.summary)}"]
    found += [f"  {name:<10}{clean(getattr(error, name))}" for name in FIELDS if getattr(error, name)]
    if error.lines:
        found += ["", *(f"  | {clean(line)}" for line in error.lines)]
    return "\n".join(found)


def result_text(result: Result, command: str, preview: str | None) -> str:
    """One or two lines: where traffic is now and what to type next."""
    return "\n".join([*_result_lines(result, command, preview), *(f"Warning: {clean(w)}" for w in result.warnings)])


def _result_lines(result: Result, command: str, preview: str | None) -> Iterator[str]:
    live = f"{result.live['color']}, release {result.live['release']}" if result.live else "none"
    if result.outcome in ("switched", "flipped-back"):
        yield f"{VERBS[result.outcome]}: live is {live}{_moved(result)}."
        if result.message:
            yield clean(result.message)
        if result.previous:
            yield f"To go back to release {result.previous['release']}: {command} flip-back"
    elif result.outcome == "prepared":
        where = f" Look at it: http://{preview}/" if preview else ""
        yield f"Prepared; traffic stays on {live}.{where}"
        yield f"To move traffic to it: {command} switch"
    elif result.outcome == "unchanged":
        yield f"Nothing to do: {clean(result.message)}."
    else:
        yield clean(result.message)
    if result.next:
        yield f"To serve release {result.release} with plain Compose: {clean(result.next)}"


def _moved(result: Result) -> str:
    """How long it took until traffic was there and that was confirmed; what follows is tidying up."""
    steps = [done for done in result.steps if done.step.phase != "settle"]
    return f" (traffic moved after {sum(done.seconds for done in steps):.2f} s)" if steps else ""
