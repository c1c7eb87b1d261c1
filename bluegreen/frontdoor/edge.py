"""The edge's nginx file: claims in, text out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bluegreen.domain.app import Edge, Listen, ProxySettings
from bluegreen.domain.edge import ANY, APPS, Claim, app_name
from bluegreen.domain.routing import Routing
from bluegreen.frontdoor.render import compiled, packed, pieces
from bluegreen.frontdoor.route import RUN
from bluegreen.frontdoor.text import GENERATION_MARK, header_lines

TEMPLATE = "edge.conf.j2"
USUAL = ProxySettings()
ROOM = 16 * 1024  # bytes that an app's nginx may add to the head of an answer
WORDS = ("default", "hostnames", "include", "volatile")  # of nginx's map, in the place of a name


def render(edge: Edge, claims: Sequence[Claim], templates: Path) -> str:
    """The file for these apps, with a mark for the generation."""
    listens = tuple(map(str, (*edge.listen, *edge.tls)))
    routing = Routing(app_name(edge), GENERATION_MARK, None, {}, None, None, 0.0, listens)
    claims = sorted(claims, key=lambda it: it.app)
    answers = ROOM + max([USUAL.max_answer_headers, *(it.answer_headers for it in claims)])
    values = {
        "header": header_lines(json.dumps(routing.as_dict(), sort_keys=True)),
        "app_name": routing.app, "generation": GENERATION_MARK, "run": RUN, "apps": APPS, "any": ANY, "word": _word,
        "plain": [(name, it.app) for it in claims for name in it.plain],
        "secure": [(name, it.app) for it in claims for name in it.secure],
        "plain_listens": _ports(edge.listen), "secure_listens": _ports(edge.tls),
        "request_headers": max([USUAL.max_request_headers, *(it.request_headers for it in claims)]),
        "answer_headers": answers, "busy_buffers": pieces(answers),
    }  # fmt: skip
    return packed(compiled(templates, TEMPLATE).render(values))


def _ports(listens: Sequence[Listen]) -> list[int]:
    return sorted({it.port for it in listens})


def _word(name: str) -> str:
    """A name as nginx's map reads it back. Source: ngx_http_map_module."""
    return f"\\{name}" if name in WORDS else name or '""'
