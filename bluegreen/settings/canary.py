"""The canary block: who counts as one visitor, and who may choose a color."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema, field_validator
from pydantic_core import CoreSchema

from bluegreen.domain import app as model
from bluegreen.settings.strict import StrictBlock
from bluegreen.settings.types import matching

COOKIE = re.compile(r"^[A-Za-z0-9_.-]+$")
OWN_COOKIE = re.compile(r"^[A-Za-z0-9_]+$")  # as nginx can spell it in the name of a variable
HEADER = re.compile(r"^[A-Za-z][A-Za-z0-9-]*$")
SECRET = re.compile(r"^[A-Za-z0-9._~+/=-]{8,200}$")
Cookie = Annotated[str, matching(COOKIE, "the name of a cookie, such as session_id")]
Header = Annotated[str, matching(HEADER, "the name of a header, such as X-User-ID")]


class ByBlock(StrictBlock):
    """What tells visitors apart, if not the address: a cookie or a header."""

    cookie: Cookie | None = None
    """A cookie that the app sets. Who does not have it yet counts by address."""
    header: Header | None = None
    """A request header. Requests without it count by address."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"const": "address"}, handler(core_schema)]}


def _by(value: object) -> object:
    if value == "address":
        return {}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("address, or one of {cookie: NAME} and {header: NAME}")
    return value


def _off(value: object) -> object:
    if value == "":
        raise ValueError("the name of a header, such as X-Bluegreen, or off")
    return "" if value is False or value == "off" else value


class CanaryBlock(StrictBlock):
    """Shares of visitors: who is one visitor, and how testers reach either color."""

    by: Annotated[ByBlock, BeforeValidator(_by)] = Field(
        default_factory=ByBlock, json_schema_extra={"default": "address"}
    )
    """What tells visitors apart: address, or a cookie or header that the app already has, such as {cookie: session}."""
    header: Annotated[
        str,
        BeforeValidator(_off),
        WithJsonSchema({"anyOf": [{"type": "string", "pattern": HEADER.pattern}, {"enum": ["off", False]}]}),
    ] = model.Canary.header
    """The header in which a tester asks for blue or green, or off. Without a secret it counts during a canary only."""
    cookie: (
        Annotated[str, matching(OWN_COOKIE, "the name of a cookie of letters, digits and _, such as color")] | None
    ) = None
    """A cookie in which a tester asks for blue or green, as in the header."""
    secret: Annotated[str, matching(SECRET, "8 to 200 letters, digits or . _ ~ + / = -, from a variable")] | None = None
    """A secret that testers send along, green:SECRET, from a variable: ${CANARY_SECRET}. Then it always counts."""
    pin: Literal["page"] | None = None
    """page: during a canary, what a page asks for comes from the color of the page. Sets a cookie with each page."""

    @field_validator("header")
    @classmethod
    def _is_header(cls, value: str) -> str:
        if value and not HEADER.fullmatch(value):
            raise ValueError("the name of a header, such as X-Bluegreen, or off")
        return value

    def canary(self) -> model.Canary:
        by: Literal["address", "cookie", "header"] = (
            "cookie" if self.by.cookie else "header" if self.by.header else "address"
        )
        return model.Canary(
            by,
            self.by.cookie or self.by.header or "",
            self.header,
            self.cookie or "",
            self.secret or "",
            bool(self.pin),
        )
