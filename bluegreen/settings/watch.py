"""The watch block: how a switch looks at the traffic of a new release before it is settled."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema

from bluegreen.domain import app as model
from bluegreen.settings.strict import StrictBlock
from bluegreen.settings.types import DURATION_SCHEMA, Duration

CONTROL = re.compile(r"(?:[1-9]|[1-4]\d|50)%", re.ASCII)


def _percent(value: object) -> object:
    if not isinstance(value, str) or not CONTROL.fullmatch(value):
        raise ValueError("a share of visitors from 1% to 50%")
    return int(value[:-1])


class WatchBlock(StrictBlock):
    """How long a switch looks at the traffic of a new release before it is settled, and with what it compares."""

    for_: Duration = Field(default=model.Watch.seconds, alias="for", json_schema_extra={"default": "60s"})
    """How long. If the release fails for visitors, or is much slower than the one before, traffic moves back."""
    control: Annotated[
        int, BeforeValidator(_percent),
        WithJsonSchema({"type": "string", "pattern": f"^(?:{CONTROL.pattern})$", "examples": ["5%"]}),
    ] | None = None  # fmt: skip
    """A share of visitors, such as 5%, who stay on the release before until the verdict: both are compared."""
    expected: bool = False
    """With too little traffic to tell: ask the recorded requests again, of the release that visitors have."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [DURATION_SCHEMA, handler(core_schema)]}

    def watch(self) -> model.Watch:
        return model.Watch(self.for_, self.control or 0, self.expected)


def as_block(value: object) -> object:
    """A duration alone is how long."""
    return value if isinstance(value, dict) else {"for": value}
