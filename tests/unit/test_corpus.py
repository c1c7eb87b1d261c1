"""`init` on Compose files in the shape of real projects: is the block what an experienced person would write?

corpus/*.yaml: for each project its Compose file, the files beside it that say something, and the block. The shapes
were looked up in public repositories; no text of theirs is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bluegreen.features.init.propose import Proposal, propose
from tests.support.resolved import resolve

FOLDER = "/srv/shop"
CORPUS = Path(__file__).parent / "corpus"
CASES: list[dict[str, Any]] = [
    case for file in sorted(CORPUS.glob("*.yaml")) for case in yaml.safe_load_all(file.read_text())
]
NEEDED = 40  # blocks that are exactly right


def proposed(case: dict[str, Any]) -> Proposal:
    files = {f"{FOLDER}/{path}": text for path, text in (case.get("files") or {}).items()}
    return propose(resolve(case["compose"], FOLDER), files, FOLDER)


def test_most_blocks_are_what_an_experienced_person_would_write() -> None:
    assert len(CASES) >= 44
    wrong = {case["case"]: proposed(case).block for case in CASES if proposed(case).block != case["block"]}
    right = len(CASES) - len(wrong)
    print(f"{right} of {len(CASES)} blocks are exactly right")
    assert right >= NEEDED, wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_block_of_each(case: dict[str, Any]) -> None:
    found = proposed(case)
    assert found.block == case["block"]
    said = "\n".join([*found.advice, *(f"{key} {why}" for key, why in found.decisions)])
    for words in case.get("says", []):
        assert words in said
    asked = [name for name, _ in found.question.choices] if found.question else []
    assert asked == (case.get("asks") or (asked if not found.block else []))
    assert {it.name: list(it.members) for it in found.pairs} == case.get("merges", {})
    assert all(why for _, why in found.decisions)
