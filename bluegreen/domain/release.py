"""What is known about a release: its images, what a person said about it, how it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.domain.color import Color


@dataclass(frozen=True)
class Image:
    """The image that a service asks for (`ref`) and what that was at that moment (`id`).

    `ours`: a release of this app built or pulled it, so a prune may remove it.
    `content`: what would run, as a hash of configuration and layers; empty: not known.
    """

    ref: str
    id: str
    ours: bool = False
    content: str = ""

    def same_as(self, other: Image) -> bool:
        """Whether both run the same. An id may name an index whose attestations differ with each build."""
        return self.id == other.id or bool(self.content and self.content == other.content)


@dataclass(frozen=True)
class Note:
    """What a person said about a release; empty: nothing."""

    owner: str = ""
    expect: str = ""  # the result that is expected of it
    note: str = ""  # for whoever has to go back
    revision: str = ""
    subject: str = ""  # of that revision


NOTED = ("owner", "expect", "note", "revision")


@dataclass(frozen=True)
class Begun:
    """A release whose images are there and nothing else of it, as the journal keeps it."""

    number: int
    color: Color
    definition: str
    images: Mapping[str, Image] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)  # holds no value of a variable
    note: Note = field(default_factory=Note)
    previous: int | None = None  # the release that was live
    restores: int | None = None  # the release that it brings back
