"""Visitors of a site that is not real: what its nginx would have written of them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from tests.fakes.site import Site

LINE: dict[str, Any] = {
    "time": "", "color": "blue", "release": "1", "service": "web", "status": 200, "seconds": 0.01,
    "upstream_seconds": "0.001", "upstream": "", "upstream_status": "200", "method": "GET", "host": "shop.test",
    "uri": "/items/7", "bytes": 120, "client": "203.0.113.7", "request_id": "", "agent": "Firefox", "connection": 1,
    "nth": 1, "door": "public", "routed": "blue",
}  # fmt: skip


class Visitors:
    """One keep-alive connection whose requests nginx logs, one after the other."""

    def __init__(self, site: Site) -> None:
        self._site, self._nth = site, 0

    def ask(self, count: int, color: str, release: int | None, ago: float = 0.0, **fields: Any) -> None:
        """Requests that ended one millisecond after the other, the last one `ago` seconds before now."""
        proxy = next(it for it in self._site.engine.containers.values() if it.name == "shop-proxy")
        now = time.time() - ago
        lines = []
        for left in range(count - 1, -1, -1):
            self._nth += 1
            ended = round(now - left / 1000, 3)
            mine = {"color": color, "routed": color, "release": str(release or ""), "ended": ended, "nth": self._nth}
            mine |= {"request_id": f"{self._nth:032x}"} | fields
            stamp = datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            lines.append(f"{stamp} {json.dumps(LINE | mine)}\n")
        proxy.output += "".join(lines).encode()
