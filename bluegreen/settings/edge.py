"""`listen: edge` and the edge block: one nginx of this machine in front of several apps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from bluegreen.domain import app as model
from bluegreen.settings.strict import StrictBlock
from bluegreen.settings.types import LISTEN_SCHEMA, Listens, listed, matching, one_or_several, parse_listen

WORD = "edge"  # in the place of an address in `listen`
NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")


def _public(value: object) -> object:
    return value if value == WORD else parse_listen(value)


PublicListens = Annotated[
    list[Annotated[Any, BeforeValidator(_public)]],
    BeforeValidator(listed),
    Field(min_length=1),
    one_or_several({"anyOf": [{"const": WORD}, LISTEN_SCHEMA]}),
]


class EdgeBlock(StrictBlock):
    """The edge that `listen: edge` means. All apps on one edge have to say the same of it."""

    name: Annotated[str, matching(NAME, "a short name of a-z, 0-9 and -, such as edge")] = "edge"
    """Which one, if this machine has several."""
    listen: Listens = Field(default_factory=lambda: [model.Listen("", 80)], json_schema_extra={"default": "80"})
    """Where it is published for HTTP: [ADDRESS:]PORT, or a list of them."""
    tls: Listens = Field(default_factory=lambda: [model.Listen("", 443)], json_schema_extra={"default": "443"})
    """Where it is published for HTTPS, as listen."""
    image: Annotated[str, Field(min_length=1, pattern=r"^[^\s-][^\s]*$")] | None = None
    """Its image of nginx. If not set: proxy.image of the app whose up makes it."""

    def edge(self) -> model.Edge:
        return model.Edge(self.name, tuple(self.listen), tuple(self.tls), self.image or "")


def listens(found: Iterable[Any]) -> tuple[model.Listen, ...]:
    """Those that the app's own nginx is published on."""
    return tuple(it for it in found if it != WORD)


def problems(block: Any) -> Iterable[tuple[str, str, str]]:
    """(key, what was found, what is expected) for what does not fit together. `block`: x-bluegreen."""
    if WORD not in block.listen:
        if "edge" in block.model_fields_set:
            yield "edge", "given without `listen: edge`", "listen: edge, or no such key"
        return
    edge = block.edge
    for key, found in (("edge.listen", edge.listen), ("edge.tls", edge.tls)):
        if len(set(found)) < len(found):
            yield key, ", ".join(map(str, found)), "each address once"
    if both := sorted({it.port for it in edge.listen} & {it.port for it in edge.tls}):
        yield "edge.tls", str(both[0]), "a port that edge.listen does not use"
    ports = {it.port for it in (*edge.listen, *edge.tls)}
    if taken := next((it for it in listens(block.listen) if it.port in ports), None):
        yield "listen", str(taken), "a port that the edge does not use"
    if block.preview and block.preview.port in ports:
        yield "preview", str(block.preview), "a port that the edge does not use"
    if block.tls and "listen" in block.tls.model_fields_set:
        yield "tls.listen", ", ".join(map(str, block.tls.listen)), "no such key with listen: edge; HTTPS is on edge.tls"
