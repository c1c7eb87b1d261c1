"""The image of a service: built, pulled or found as its Compose keys and the person's wishes say."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import requests
from docker.errors import APIError, DockerException

from bluegreen.compose.run import Compose
from bluegreen.domain.app import Stack
from bluegreen.domain.release import Image
from bluegreen.domain.world import ImageFacts
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.places.docker import held, images
from bluegreen.places.docker.api import Api

Tell = Callable[[str], None]


class ImageWishLike(Protocol):
    """How the image of a service is found (see flow.values.ImageWish)."""

    @property
    def build(self) -> bool: ...
    @property
    def pull(self) -> bool: ...
    @property
    def override(self) -> str | None: ...
    @property
    def pinned(self) -> Image | None: ...
    @property
    def known(self) -> Image | None: ...


class ServiceImages:
    """ImagesPort on one Engine. Every method raises BluegreenError."""

    def __init__(self, api: Api, compose: Compose) -> None:
        self._api, self._compose = api, compose

    def of_service(self, stack: Stack, service_name: str, wish: ImageWishLike, tell: Tell) -> Image:
        """The image that a service is to run, built or pulled as wished, pinned by its id.

        A service with `build` is built at every release, and pulled only where pull_policy says so; what
        cannot be pulled is built then, as Compose does it.
        """
        service = stack.services[service_name]
        if wish.pinned:
            return self._still_there(service_name, wish.pinned)
        if wish.override:
            return self.pulled(wish.override, service, wish.pull, tell)
        reference = stack.image_reference(service_name)
        if not service.get("build"):
            return self.pulled(reference, service, wish.pull, tell, wish.known)
        if images.refresh_due(service.get("pull_policy") or "", self._api.image(reference)):
            try:
                return replace(images.pull(self._api, reference, platform(service), tell), ours=True)
            except BluegreenError as error:
                if not wish.build:
                    raise
                tell(f"{reference} cannot be pulled, so it is built: {error}")
        if wish.build or service.get("pull_policy") == "build":
            self._compose.build(service_name, wish.pull, tell)
        there = images.pinned(self._api, reference) or self._named_again(reference, wish.known, tell)
        if there is None:
            raise BluegreenError(
                f"The image of {service_name} has not been built.", code="image-missing",
                failed=f"the Engine has no image {reference}", expected="a build before a start",
                retry="safe", next="the same command without --no-build",
            )  # fmt: skip
        return replace(there, ours=True)

    def pulled(
        self, reference: str, service: Mapping[str, Any], always: bool, tell: Tell, known: Image | None = None
    ) -> Image:
        policy = service.get("pull_policy") or ""
        found = self._api.image(reference)
        if found is None and self._named_again(reference, known, tell):
            found = self._api.image(reference)
        fits = found is not None and images.fits(found, platform(service))
        if policy == "never" and not always:
            if found is None or not fits:
                raise BluegreenError(
                    f"The image {reference} is not there{'' if found is None else ' for this platform'}.",
                    code="image-missing",
                    failed="pull_policy is never, and the Engine does not have it",
                    expected="an image loaded beforehand", retry="safe", next=f"docker pull {reference}",
                )  # fmt: skip
            return images.as_image(reference, found)
        if found and fits and not always and not images.refresh_due(policy, found):
            return images.as_image(reference, found)
        pulled = images.pull(self._api, reference, platform(service), tell)
        return replace(pulled, ours=found is None or pulled.id != found["Id"])

    def _named_again(self, reference: str, known: Image | None, tell: Tell) -> Image | None:
        """`docker image prune --all` takes a name from an image that is held by ours; the image still means it."""
        if known is None or known.ref != reference or self._api.image(known.id) is None:
            return None
        images.tag(self._api, known.id, reference)
        tell(f"{reference} had lost its name; it is what the live release runs")
        return images.pinned(self._api, reference)

    def _still_there(self, service: str, image: Image) -> Image:
        if self._api.image(image.id) is None:
            raise BluegreenError(
                f"The image of {service} is gone.", code="image-missing",
                failed=f"the Engine does not have {image.id}, once {image.ref}",
                expected="a release whose images were kept (x-bluegreen.keep)", retry="not useful",
                next=f"{COMMAND} history (shows which releases are kept)",
            )  # fmt: skip
        return image

    def id_of(self, reference: str) -> str | None:
        """The image that a name means now; None: there is none."""
        found = self._api.image(reference)
        return str(found["Id"]) if found else None

    def hold(self, image: str, service: str, release: int) -> None:
        """Keeps an image by a name of ours, as long as the release is kept."""
        held.hold(self._api, image, service, release)

    def held(self) -> Mapping[str, int]:
        """The names by which images are kept, with the release of each."""
        return held.held(self._api)

    def let_go(self, name: str) -> None:
        """Takes such a name away."""
        held.let_go(self._api, name)

    def remove(self, image: str, references: frozenset[str]) -> bool:
        """Removes an image that has no other names than these and that nothing uses; whether it is gone."""
        return images.remove(self._api, image, references)

    def facts(self, reference: str) -> ImageFacts | None:
        """Size, user and version of nginx of an image that the Engine has; None: it has none of this name."""
        found = self._api.image(reference)
        if found is None:
            return None
        config = found.get("Config") or {}
        said = [it.partition("=")[2] for it in config.get("Env") or [] if it.startswith("NGINX_VERSION=")]
        return ImageFacts(found["Size"], config.get("User") or "", said[-1] if said else "")

    def in_registry(self, reference: str) -> str | None:
        """Why the registry would not give an image, asked without pulling it; None: it would.

        Source: Engine API, DistributionInspect.
        """
        try:
            self._api.client.inspect_distribution(reference)
        except APIError as error:
            return " ".join(str(error.explanation or error).split())[:200]
        except (DockerException, requests.exceptions.RequestException) as error:
            return " ".join(str(error).split())[:200]
        return None

    def moved_in_registry(self, reference: str) -> bool:
        """Whether the registry has another image of this name than was pulled; no word of it counts as no.

        Both are digests of what was asked for by name: of the index, where an image is for several platforms.
        """
        found = self._api.image(reference)
        known = {digest.partition("@")[2] for digest in (found or {}).get("RepoDigests") or []}
        try:
            there = self._api.client.inspect_distribution(reference)["Descriptor"]["digest"] if known else ""
        except (APIError, DockerException, requests.exceptions.RequestException, KeyError):
            return False
        return bool(there) and there not in known


def platform(service: Mapping[str, Any]) -> str | None:
    return service.get("platform") or os.environ.get("DOCKER_DEFAULT_PLATFORM")
