"""What is kept in the state folder: the journal and the lock."""

from __future__ import annotations

import json

from bluegreen import files

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any


def read_json(path: str) -> dict[str, Any] | None:
    """A small file of ours, whatever is there in its place; None: no object. Raises OSError and ValueError."""
    try:
        found = json.loads(files.text(path, files.MOST))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found if isinstance(found, dict) else None
