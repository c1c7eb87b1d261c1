"""What a Compose file asks of a release service that a color cannot honour."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bluegreen.places.docker import spec as container_spec
from bluegreen.places.docker.mounts import Surroundings


def refusals(
    document: Mapping[str, Any], names: Sequence[str], api_version: Callable[[], str]
) -> list[tuple[str, str]]:
    """Every key of the release services that a color cannot honour: (key path, reason).

    `document` is Compose's. The Engine is asked for its API version only when a key depends on it.
    """
    around = Surroundings(document.get("volumes") or {}, document.get("secrets") or {}, document.get("configs") or {})
    found: list[tuple[str, str]] = []
    for name in names:
        service = document["services"][name]
        try:
            found += [(f"services.{name}.{it.key}", it.reason) for it in container_spec.refusals(service, around)]
            _tried(service, around)
        except (ValueError, TypeError, AttributeError) as error:  # what no Compose of today gives
            found.append((f"services.{name}", f"a value in it cannot be understood ({error})"))
            continue
        for need in container_spec.needs(service):
            if _version(api_version()) < _version(need.api):
                reason = (
                    f"Docker Engine {need.engine} or newer has it (API {need.api}); this one speaks {api_version()}"
                )
                found.append((f"services.{name}.{need.key}", reason))
    return found


def _tried(service: Mapping[str, Any], around: Surroundings) -> None:
    """Translates a service for nothing: better now than in the middle of a release. Raises as that does."""
    with contextlib.suppress(KeyError):  # of other containers and of files, which are looked at when they are needed
        container_spec.create_request(service, around)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))
