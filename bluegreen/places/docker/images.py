"""Images: found, pulled with progress, pinned by their id."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from docker.errors import APIError, DockerException, ImageNotFound

from bluegreen.domain.release import Image
from bluegreen.domain.units import parse_duration
from bluegreen.errors import BluegreenError
from bluegreen.places.docker.api import Api, translated, unreachable

Tell = Callable[[str], None]
DAY = 24 * 3600.0
REFRESH = {"daily": DAY, "weekly": 7 * DAY}
NO_LOGIN = ("no basic auth credentials", "unauthorized", "authentication required", "denied", "no login")
NOT_RUN = ("Image", "Hostname", "Domainname")  # of the classic builder's step before; nothing runs by them
LAYERS_DONE = ("Pull complete", "Already exists")


def pinned(api: Api, reference: str) -> Image | None:
    """What a reference means at this moment, by id; None: the Engine does not have it."""
    found = api.image(reference)
    return as_image(reference, found) if found else None


def as_image(reference: str, found: Mapping[str, Any]) -> Image:
    """An image as the Engine describes it."""
    return Image(reference, found["Id"], content=content(found))


def content(found: Mapping[str, Any]) -> str:
    """A hash of what would run: the configuration and the layers; the same for two builds of the same.

    The id is not: with the containerd image store it names an index, and BuildKit puts the moment of the build into it.
    """
    config = {key: value for key, value in (found.get("Config") or {}).items() if key not in NOT_RUN}
    layers = (found.get("RootFS") or {}).get("Layers") or []
    if not layers:
        return ""
    text = json.dumps([config, layers, [found.get(key) for key in ("Os", "Architecture", "Variant")]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fits(found: Mapping[str, Any], platform: str | None) -> bool:
    """Whether an image that the Engine has is for this platform, OS[/ARCHITECTURE[/VARIANT]]; None: for any."""
    if not platform:
        return True
    wanted = platform.lower().split("/")
    if len(wanted) == 1:  # an operating system or an architecture alone
        return wanted[0] in (found.get("Os"), found.get("Architecture"))
    has = [found.get("Os"), found.get("Architecture"), found.get("Variant") or ""]
    aliases = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
    wanted[1] = aliases.get(wanted[1], wanted[1])
    return all(want == there for want, there in zip(wanted, has, strict=False) if there)


def refresh_due(policy: str, found: Mapping[str, Any] | None) -> bool:
    """Whether pull_policy wants this image pulled even if it is there: always, daily, weekly, every_DURATION.

    The time counts from when the image was last pulled or tagged here, as in Compose.
    """
    if policy == "always":
        return True
    wait = _wait(policy)
    if wait is None:
        return False
    tagged = ((found or {}).get("Metadata") or {}).get("LastTagTime") or ""
    try:
        then = datetime.fromisoformat(re.sub(r"\.\d+", "", tagged).replace("Z", "+00:00"))
    except ValueError:
        return True
    return datetime.now(UTC) > then + timedelta(seconds=wait)


def _wait(policy: str) -> float | None:
    """Seconds that an image stays fresh; None: for ever."""
    if policy in REFRESH:
        return REFRESH[policy]
    try:
        return parse_duration(policy.removeprefix("every_")) if policy.startswith("every_") else None
    except ValueError:  # Compose itself refuses what is none
        return None


def pull(api: Api, reference: str, platform: str | None, tell: Tell) -> Image:
    """Pulls an image and returns what was pulled. Raises BluegreenError with the registry's words."""
    name, tag = _split(reference)
    layers: dict[str, str] = {}
    try:
        for event in api.client.pull(name, tag=tag, platform=platform, stream=True, decode=True):
            if "error" in event:
                raise _not_pulled(reference, str(event["error"]))
            if event.get("id") and event.get("status"):
                layers[event["id"]] = event["status"]
                done = sum(status in LAYERS_DONE for status in layers.values())
                tell(f"{reference}: {done} of {max(len(layers) - 1, done)} layers")
    except APIError as error:
        raise _not_pulled(reference, str(error.explanation or error)) from None
    except (DockerException, requests.exceptions.RequestException) as error:
        if "Credentials store" in str(error):  # docker-py's words when a credential helper fails
            raise _not_pulled(reference, f"no login: {error}") from None
        raise unreachable(error) from None
    image = pinned(api, reference)
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
    login = "/" in reference and any(words in reason.lower() for words in NO_LOGIN)
    return BluegreenError(
        f"The image {reference} cannot be pulled.",
        code="image-not-pulled",
        failed=" ".join(reason.split())[:300],
        expected="an image of this name in its registry, and a login where it needs one",
        retry="safe, after the cause is fixed",
        next=f"docker login {reference.partition('/')[0]}" if login else f"docker pull {reference}",
    )


@translated
def tag(api: Api, image: str, reference: str) -> None:
    name, tag = _split(reference)
    api.client.tag(image, name, tag)


@translated
def untag(api: Api, reference: str) -> None:
    """Takes a name away; an image without any goes too. One that is not there is fine."""
    with contextlib.suppress(ImageNotFound):
        api.client.remove_image(reference)


@translated
def remove(api: Api, image: str, references: frozenset[str]) -> bool:
    """Removes an image whose only names are these; one that a container or another image needs stays.

    Without force: the Engine itself answers 409 for what is in use. Source: Engine API, ImageDelete.
    """
    found = api.image(image)
    if found is None:
        return True
    tags = found.get("RepoTags") or []
    used = api.client.containers(all=True, filters={"ancestor": found["Id"]}, limit=1)
    if used or not set(tags) <= references:
        return False
    try:
        for name in tags or [image]:
            api.client.remove_image(name)
    except ImageNotFound:
        return True
    except APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True
