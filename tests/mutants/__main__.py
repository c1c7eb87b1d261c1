"""python -m tests.mutants [seed] [about how many] [workers] [room,room]: a sample of breaks, each alone in a copy."""

from __future__ import annotations

import difflib
import importlib.util
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.covering import Covering, measure
from tests.mutants.found import Mutant, everywhere
from tests.mutants.kinds import broken

ROOT = Path(__file__).parents[2]
LEAST = 5  # of each room
LIMIT = 60.0  # seconds; what takes longer does not end, and that is noticed
SLOWER = 3  # times what the tests took before; a busy machine is no endless loop
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "dist", "build")


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    how: str  # noticed, endless, survived, never run
    change: str


def sample(rooms: dict[str, list[Mutant]], seed: int, wanted: int) -> list[Mutant]:
    """As many of each room as it has lines in the whole, but not fewer than five."""
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    files = {it.file for mutants in rooms.values() for it in mutants}
    lines = {file: len((ROOT / file).read_text().splitlines()) for file in files}
    whole = sum(lines.values())
    chosen: list[Mutant] = []
    for _, mutants in sorted(rooms.items()):
        here = sum(lines[file] for file in {it.file for it in mutants})
        chosen += dice.sample(mutants, min(len(mutants), max(LEAST, round(wanted * here / whole))))
    return chosen


def change(before: str, after: str) -> str:
    found = [it for it in difflib.ndiff(before.splitlines(), after.splitlines()) if it[0] in "-+"]
    return "  ".join(f"{it[0]} {it[2:].strip()}" for it in found)


def _pytest(tree: Path, tests: list[str], limit: float) -> str:
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=tree, env=environment, stdout=quiet, stderr=quiet, start_new_session=True) as run:
        try:
            return "survived" if run.wait(limit) == 0 else "noticed"
        except subprocess.TimeoutExpired:
            return "endless"
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def attempt(mutant: Mutant, tree: Path, covering: Covering) -> Verdict:
    path = tree / mutant.file
    source = path.read_text()
    text = broken(source, mutant.kind, mutant.occurrence)
    tests = covering.of(mutant)
    if not tests:
        return Verdict(mutant, "never run", change(source, text))
    compiled = Path(importlib.util.cache_from_source(str(path)))
    try:
        compiled.unlink(missing_ok=True)  # it is compared by second and size alone
        path.write_text(text)
        limit = max(LIMIT, SLOWER * sum(covering.seconds.get(test, 0.0) for test in tests))
        return Verdict(mutant, _pytest(tree, tests, limit), change(source, text))
    finally:
        compiled.unlink(missing_ok=True)
        path.write_text(source)


def table(verdicts: list[Verdict]) -> None:
    print(f"{'room':<12}{'noticed':>8}{'of':>5}")
    for room in [*sorted({it.mutant.room for it in verdicts}), "all"]:
        here = [it for it in verdicts if room in (it.mutant.room, "all")]
        print(f"{room:<12}{sum(it.how in ('noticed', 'endless') for it in here):>8}{len(here):>5}")
    for it in verdicts:
        if it.how != "noticed":
            print(f"\n{it.how}: {it.mutant.file}:{it.mutant.line} {it.mutant.kind}\n    {it.change}")


def only(rooms: dict[str, list[Mutant]], names: str) -> dict[str, list[Mutant]]:
    """The rooms of these names, with commas between them; all of them when none is named."""
    wanted = [name for name in names.split(",") if name]
    if unknown := [name for name in wanted if name not in rooms]:
        sys.exit(f"There is no room {unknown[0]}. Rooms: {', '.join(sorted(rooms))}.")
    return {name: rooms[name] for name in wanted} or rooms


def main(seed: int = 1, wanted: int = 120, workers: int = 1, *, names: str = "") -> None:
    chosen = sample(only(everywhere(ROOT), names), seed, wanted)
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch, ThreadPoolExecutor(min(workers, 2)) as pool:
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(min(workers, 2)):
            trees.put(Path(shutil.copytree(ROOT, Path(scratch, str(number), ROOT.name), ignore=NOT_COPIED)))
        tree = trees.get()
        covering = measure(tree, Path(scratch))
        if covering.failed and _pytest(tree, sorted(covering.failed), 10 * LIMIT) != "survived":
            sys.exit("The unit tests fail as they are: make check.")
        trees.put(tree)

        def one(mutant: Mutant) -> Verdict:
            tree = trees.get()
            try:
                found = attempt(mutant, tree, covering)
            finally:
                trees.put(tree)
            print(f"{mutant.file}:{mutant.line}: {found.how}", file=sys.stderr)
            return found

        verdicts = list(pool.map(one, chosen))
    print(f"seed {seed}, {len(verdicts)} breaks")
    table(verdicts)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), names="".join(sys.argv[4:5]))
