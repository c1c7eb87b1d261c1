"""Images: found, pulled with progress, pinned by their id."""

from __future__ import annotations

from collections.abc import Callable

import requests
from docker.errors import APIError, DockerException

from bluegreen.engine.containers import Engine, unreachable
from bluegreen.release.errors import BluegreenError
from bluegreen.release.model import Image

Tell = Callable[[str], None]
LAYERS_DONE = ("Pull complete", "Already exists")


def pinned(engine: Engine, reference: str) -> Image | None:
    """What a reference means at this moment, by id; None: the Engine does not have it."""
    found = engine.image(reference)
    return Image(reference, found["Id"]) if found else None


def pull(engine: Engine, reference: str, platform: str | None, tell: Tell) -> Image:
    """Pulls an image and returns what was pulled. Raises BluegreenError with the registry's words."""
    name, tag = _split(reference)
    layers: dict[str, str] = {}
    try:
        for event in engine.api.pull(name, tag=tag, platform=platform, stream=True, decode=True):
            if "error" in event:
                raise _not_pulled(reference, str(event["error"]))
            if event.get("id") and event.get("status"):
                layers[event["id"]] = event["status"]
                done = sum(status in LAYERS_DONE for status in layers.values())
                tell(f"{reference}: {done} of {max(len(layers) - 1, done)} layers")
    except APIError as error:
        raise _not_pulled(reference, str(error.explanation or error)) from None
    except (DockerException, requests.exceptions.RequestException) as error:
        raise unreachable(error) from None
    image = pinned(engine, reference)
    if image is None:
        raise _not_pulled(reference, "the Engine does not have it after the pull")
    return image


def _split(reference: str) -> tuple[str, str | None]:
    """docker-py pulls every tag of a name without one; a digest stays with the name."""
    if "@" in reference:
        return reference, None
    head, _, tail = reference.rpartition(":")
    return (head, tail) if head and "/" not in tail else (reference, "latest")


def _not_pulled(reference: str, reason: str) -> BluegreenError:
    return BluegreenError(
        f"The image {reference} cannot be pulled.",
        failed=" ".join(reason.split())[:300],
        expected="an image of this name in its registry, and a login where it needs one",
        retry="safe, after the cause is mended",
        next=f"docker pull {reference}",
    )
