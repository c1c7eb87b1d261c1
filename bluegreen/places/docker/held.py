"""Images held by a name of ours as long as their release is kept: `bluegreen/APP/SERVICE:RELEASE`.

An id alone keeps nothing: an Engine with the containerd image store drops an image that was built by BuildKit the
moment its name moves on to the next build, and `docker image prune` does so on every Engine.
"""

from __future__ import annotations

import re
import zlib

from docker.errors import APIError, ImageNotFound

from bluegreen.places.docker.api import Api, translated

PREFIX = "bluegreen"
PLAIN = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")  # of a part of an image's name; Docker takes a little more


def held_name(app: str, service: str, release: int) -> str:
    return f"{PREFIX}/{_part(app)}/{_part(service)}:{release}"


@translated
def hold(api: Api, image: str, service: str, release: int) -> None:
    """Gives an image the name by which a release holds it."""
    name, _, tag = held_name(api.app, service, release).rpartition(":")
    api.client.tag(image, name, tag, force=True)


@translated
def held(api: Api) -> dict[str, int]:
    """The names by which releases of this app hold images, with the release of each."""
    wanted = f"{PREFIX}/{_part(api.app)}/"
    found = api.client.images(filters={"reference": f"{wanted}*"})
    names = [name for entry in found for name in entry["RepoTags"] or () if name.startswith(wanted)]
    parts = [(name, name.rpartition(":")[2]) for name in names]
    return {name: int(release) for name, release in parts if release.isdigit()}


@translated
def let_go(api: Api, name: str) -> None:
    """Takes such a name away; with its last name an image goes, unless a container uses it."""
    try:
        api.client.remove_image(name)
    except ImageNotFound:
        return
    except APIError as error:
        if error.status_code != 409:
            raise


def _part(name: str) -> str:
    """A name of Compose as a part of an image's name, which has no capitals and no signs at its ends."""
    if PLAIN.fullmatch(name):
        return name
    plain = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "x"
    return f"{plain}-{zlib.crc32(name.encode()):08x}"
