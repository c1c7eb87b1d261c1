"""What nginx must know to serve files itself: their types, and which releases have them."""

from __future__ import annotations

from typing import Any

from bluegreen.domain.color import COLORS, Color, other
from bluegreen.domain.routing import Routing
from bluegreen.frontdoor.places import Choice, served
from bluegreen.frontdoor.route import VOLUMES
from bluegreen.frontdoor.static import SEEN

# Source: nginx's conf/mime.types and the registry of IANA; what is not in it is sent as a download.
TYPES = {
    "text/html": "html htm", "text/css": "css", "text/plain": "txt log", "text/csv": "csv", "text/markdown": "md",
    "text/xml": "xml", "text/vtt": "vtt", "text/calendar": "ics", "text/javascript": "js mjs",
    "application/json": "json map", "application/manifest+json": "webmanifest", "application/ld+json": "jsonld",
    "application/wasm": "wasm", "application/pdf": "pdf", "application/rss+xml": "rss", "application/zip": "zip",
    "application/atom+xml": "atom", "application/gzip": "gz tgz", "application/epub+zip": "epub",
    "application/yaml": "yaml yml",
    "image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg jpeg", "image/gif": "gif", "image/webp": "webp",
    "image/avif": "avif", "image/x-icon": "ico", "image/bmp": "bmp", "image/tiff": "tif tiff",
    "font/woff": "woff", "font/woff2": "woff2", "font/ttf": "ttf", "font/otf": "otf",
    "audio/mpeg": "mp3", "audio/ogg": "ogg oga", "audio/wav": "wav", "audio/mp4": "m4a", "audio/flac": "flac",
    "video/mp4": "mp4 m4v", "video/webm": "webm", "video/ogg": "ogv", "video/quicktime": "mov",
}  # fmt: skip
PACKED = ("json", "xml", "wasm", "yaml")  # how the names of types end that are worth packing, beside text
DOWNLOAD = "application/octet-stream"


def proven(routing: Routing) -> tuple[Color, ...]:
    """The live colors whose other one has served: a release that is only prepared answers for nobody."""
    return COLORS if routing.standing == "previous" else (routing.idle,) if routing.live else ()


def values(routing: Routing) -> dict[str, Any]:
    """For the template."""

    def beside(choice: Choice) -> list[tuple[Color, str]]:
        """The colors that may be asked for what the other one does not have, each with its service."""
        return [(color, name) for color, name in served(choice) if other(color) in proven(routing)]

    text = [kind for kind in TYPES if kind.startswith("text/") or kind.endswith(PACKED)]
    return {
        "seen": SEEN, "volumes": VOLUMES, "types": TYPES, "text": text, "download": DOWNLOAD, "beside": beside,
        "used": any(slot.files or slot.assets for slot in routing.slots.values()),
    }  # fmt: skip
