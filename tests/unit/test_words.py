"""Words that are not used any more, with the right one beside each: in code, templates and pages."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import ROOT

# Pattern (whole words, any case): what to write instead. Identifiers are not looked at.
INSTEAD = {
    r"mend(s|ed|ing)?": "repair",
    r"told": "say, show, report; 'unknown' for what cannot be told",
    r"(cannot|can not|could not) be told": "is unknown; could not be checked",
    r"stands?|stood": "is, runs, is kept",
    r"anew": "again; new",
    r"gives? no answer|gave no answer": "does not answer",
    r"whole": "all of it; complete",
    r"(?<!as )well(?!-)": "healthy; good",
    r"as well": "too; also",
    r"in need": "if it must be now",
    r"fore(see|sees|saw|seen)": "expect",
    r"likeliest": "most likely",
    r"although": "even if; but",
    r"of before": "earlier; the previous",
    r"(have|has|is) beyond": "more than; extra",
    r"h(old|olds|eld) against": "compare with",
    r"up(on)(?! its)": "on",
    r"lets? go of|let go": "remove",
    r"its like|their like": "similar ones",
    r"hears?|heard": "receive; read",
    r"besides": "also; other than",
    r"at once": "immediately; at the same time",
    r"thereby|therefore|hence|thus|shall|wherein|whereby": "so; will; where",
    r"be it|were it": "if it is",
    r"for (it|they|he|she|there|this|that) (is|are|was|were|would|has|have|can)": "because",
    r"save for|but for": "except",
    r"lies? (in|on|there|beside|below|above)|lay in": "is in",
    r"makes? an end|came to an end": "end, stop",
    r"bears?|borne": "carry, support",
    r"is to (be|say|do)": "must be",
    r"not (yet )?known to": "unknown",
}
WRONG = [(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), right) for pattern, right in INSTEAD.items()]
PAGES = ("README.md", "SECURITY.md", "CONTRIBUTING.md")
SUFFIXES = (".py", ".j2", ".yaml", ".md")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of everything in a file that somebody reads as language."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield from enumerate(token.string.splitlines(), token.start[0])


def _files() -> list[Path]:
    found = [ROOT / name for name in PAGES]
    for folder in ("bluegreen", "nginx", "compose", "docs"):
        found += [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    return found


def test_no_file_uses_a_word_that_is_not_used_any_more() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()!r} -> {right}"
        for path in _files()
        for number, line in _texts(path)
        for pattern, right in WRONG
        for match in pattern.finditer(line)
    ]
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    "line", ["It is mended.", "cannot be told", "Made anew.", "the whole file", "all is well", "left as well"]
)
def test_such_a_word_is_found(line: str) -> None:
    assert any(pattern.search(line) for pattern, _ in WRONG)
