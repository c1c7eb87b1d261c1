"""The rendered file as a text: its first line says what it routes, its last one that nobody has changed it.

A file is written for a generation and a moment that are not known when it is rendered: the texts for both
directions lie ready with two marks, and `activate` fills the marks in. That needs no template engine, so a
flip-back does not wait for one. Standard library only.
"""

from __future__ import annotations

import json
from hashlib import sha256

from bluegreen.domain.routing import Routing

HEADER = "# bluegreen-routing: "
FOOTER = "# bluegreen-written: "
GENERATION_MARK = 987654321987654321  # stands for the generation until the file is activated
SINCE_MARK = "@since@"


def activate(text: str, generation: int, since: str) -> str:
    """A rendered text with its marks filled in, and signed: what nginx is to load."""
    filled = text.replace(str(GENERATION_MARK), str(generation)).replace(SINCE_MARK, since)
    return f"{filled}{FOOTER}{_digest(filled)}\n"


def edited(text: str) -> bool:
    """Whether this is another text than the one that was written."""
    body, mark, digest = text.rpartition(FOOTER)
    return not mark or digest != f"{_digest(body)}\n"


def read_routing(text: str) -> Routing | None:
    """What a rendered file routes, from its own first line; None when it is not one of ours."""
    first = text.partition("\n")[0]
    if not first.startswith(HEADER):
        return None
    try:
        return Routing.from_dict(json.loads(first[len(HEADER) :]))
    except (KeyError, TypeError, ValueError):
        return None


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
