"""What `check` says of files and certificates that nginx shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bluegreen.domain.app import Stack
from bluegreen.domain.findings import Finding
from bluegreen.errors import COMMAND
from bluegreen.flow.values import Tools

MEGABYTE = 1_000_000
SOON = 7  # days until a certificate ends


def files(tools: Tools, stack: Stack) -> Iterator[Finding]:
    """How much room the files take that nginx serves itself."""
    sizes = tools.static.sizes() if stack.settings.files else {}
    if sizes:
        said = ", ".join(f"{size / MEGABYTE:.1f} MB of release {release}" for release, size in sorted(sizes.items()))
        yield Finding("files", "ok", f"nginx keeps {said}")


def is_good(certificate: Mapping[str, Any]) -> bool:
    """Valid, not about to end, and the last try did not fail."""
    return certificate["state"] == "valid" and certificate["days"] >= SOON and not certificate["error"]


def certificates(found: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Each name whose certificate is not good, or ends soon."""
    for it in found:
        if is_good(it):
            yield Finding("certificates", "ok", f"{it['name']}: valid for {it['days']} days")
            continue
        words = {"placeholder": "no certificate yet", "expired": f"expired on {it['expires']}"}
        how = words.get(it["state"], f"ends in {it['days']} days")
        yield Finding(
            "certificates", "warning", f"{it['name']}: {how}{f'; {it_error}' if (it_error := it['error']) else ''}",
            "a certificate that is valid for weeks", "browsers warn, or refuse the page", f"{COMMAND} tls renew --now",
        )  # fmt: skip
