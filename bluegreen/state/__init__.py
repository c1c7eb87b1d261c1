"""What is kept in the state folder: the journal and the lock."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from typing import Any

MOST = 64 * 1024  # bytes that are read of a small file


def read_json(path: str) -> dict[str, Any] | None:
    """A small file of ours, whatever is there in its place; None: no object. Raises OSError and ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = json.loads(os.read(descriptor, MOST))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    finally:
        os.close(descriptor)
    return found if isinstance(found, dict) else None
