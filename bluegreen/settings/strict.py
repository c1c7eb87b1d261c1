"""What every block has in common: unknown keys are refused, and commands are lists of arguments."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class StrictBlock(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)


ARGUMENTS = "a list of arguments, such as [alembic, upgrade, head]; it runs without a shell"
Command = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(lambda value: _argument_list(value)),
    Field(min_length=1),
]


def _argument_list(value: object) -> object:
    if not isinstance(value, list) or not value:
        raise ValueError(ARGUMENTS)
    return value
