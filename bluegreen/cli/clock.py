"""The moment, as it is written down."""

from __future__ import annotations

import time


def utc_now() -> str:
    """ISO 8601, UTC, full seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
