"""The rendered file as a text: its first line says what it routes, its last one that nobody has changed it.

A file is written for a generation and a moment that are not known when it is rendered: the texts for both
directions lie ready with two marks, and `activate` fills the marks in. That needs no template engine, so a
flip-back does not wait for one. Standard library only, and little of it.
"""

from __future__ import annotations

import json
import zlib

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

HEADER = "# bluegreen-routing: "
MORE = "# + "  # before each further line of the header
WIDTH = 3500  # characters of a line; nginx refuses a comment that does not fit into its buffer of 4096 bytes
FOOTER = "# bluegreen-written: "
GENERATION_MARK = 987654321987654321  # in the place of the generation until the file is activated
SINCE_MARK = "@since@"


def activate(text: str, generation: int, since: str) -> str:
    """A rendered text with its marks filled in, and a checksum at its end: what nginx is to load."""
    filled = text.replace(str(GENERATION_MARK), str(generation)).replace(SINCE_MARK, since)
    return f"{filled}{FOOTER}{_checksum(filled)}\n"


def edited(text: str) -> bool:
    """Whether this is another text than the one that was written."""
    body, mark, digest = text.rpartition(FOOTER)
    return not mark or digest != f"{_checksum(body)}\n"


def header(text: str) -> dict[str, Any] | None:
    """What a rendered file says of itself in its own first line; None when it is not one of ours."""
    first, _, rest = text.partition("\n")
    parts = [first[len(HEADER) :]]
    while rest.startswith(MORE):
        line, _, rest = rest.partition("\n")
        parts.append(line[len(MORE) :])
    try:
        found = json.loads("".join(parts)) if first.startswith(HEADER) else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def header_lines(document: str) -> str:
    """A JSON document on one line, as `header` reads it again: comments that nginx accepts, however long it is.

    It is broken between values, so that no mark is cut in two.
    """
    lines = [""]
    for value in document.split(", "):
        piece = f"{value}, "
        if len(lines[-1]) + len(piece) > WIDTH:
            lines.append("")
        lines[-1] += piece
    return f"\n{MORE}".join(lines).removesuffix(", ")


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
