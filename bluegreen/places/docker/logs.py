"""What containers write: read, followed, and what must not be shown of it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from docker.errors import APIError

from bluegreen.domain import secrets
from bluegreen.places.docker.api import Api, translated

FRAME = 8  # bytes before what a container wrote
READ = 256 * 1024  # bytes of a log that are read together


class Logs:
    """The logs of one app's containers. Every method raises BluegreenError."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._learned = set[str]()  # containers whose values are remembered

    @translated
    def log_tail(self, container: str, lines: int) -> list[str]:
        """The last lines that a container wrote, both streams; or why its logging driver gives none."""
        try:
            output: bytes = self._api.client.logs(container, tail=lines, stdout=True, stderr=True)
        except APIError as error:
            return [_no_log(error)]
        if lines > 1 and container not in self._learned:
            self._learned.add(container)
            with contextlib.suppress(APIError):  # gone meanwhile
                remember(self._api.client.inspect_container(container))
        return output.decode(errors="replace").splitlines()

    @translated
    def follow_log(self, container: str, tail: int | None, follow: bool, since: float | None = None) -> Iterator[bytes]:
        """What a container writes, as it arrives; ends with the container unless `follow` is off before.

        `since`: only what was written from this moment on, in seconds since the epoch.
        """
        try:  # asked for a stream, docker-py takes the Engine's refusal for what the container wrote
            self._api.client.logs(container, tail=1)
        except APIError as error:  # one that cannot be read hides no other
            return iter([f"{_no_log(error)}\n".encode()])
        stream: Iterator[bytes] = self._api.client.logs(
            container, stream=True, follow=follow, timestamps=True, tail=tail if tail is not None else "all",
            since=since,
        )  # fmt: skip
        return stream

    @translated
    def read_log(self, container: str, since: float, until: float | None = None) -> Iterator[bytes]:
        """What a container wrote in a time (seconds since the epoch), each line behind a time stamp; one request.

        Not by docker-py's `logs`, which asks for the container twice more, and reads line by line.
        """
        client = self._api.client
        asked = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": 0, "since": f"{since:.9f}"}
        asked |= {"until": f"{until:.9f}"} if until is not None else {}
        address = f"{client.base_url}/v{client.api_version}/containers/{quote(container)}/logs"
        answer = client.get(address, params=asked, stream=True, timeout=client.timeout)
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            with answer:
                return iter([f"no log: {answer.status_code}\n".encode()])
        return _streamed(answer)


def remember(found: Mapping[str, Any]) -> None:
    """What a container was given is masked in what it says: its own release's values, whatever the file says today."""
    given = (variable.partition("=") for variable in found["Config"].get("Env") or [])
    secrets.remember_variables({name: value for name, _, value in given if not name.startswith("BLUEGREEN_")})


def _no_log(error: APIError) -> str:
    if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
        raise error
    return f"(its log cannot be read: {' '.join(str(error.explanation or error).split())[:200]})"


def _streamed(answer: Any) -> Iterator[bytes]:
    with answer:
        yield from unframed(answer.iter_content(READ))


def unframed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What is in the Engine's frames: a byte for the stream, three of nothing, and four that say how long it is.

    What a terminal was given has no frames. A line of more than 16 KB comes in several, each with a time stamp.
    """
    rest, framed, ended = b"", False, True
    chunks = iter(chunks)
    for chunk in chunks:
        rest += chunk
        if len(rest) >= FRAME:
            framed = rest[0] in (0, 1, 2) and rest[1:4] == b"\0\0\0"
            break
    if not framed:
        yield rest
        yield from chunks
        return
    for chunk in itertools.chain([b""], chunks):
        rest += chunk
        at, found = 0, []
        while len(rest) - at >= FRAME and len(rest) - at - FRAME >= (size := int.from_bytes(rest[at + 4 : at + FRAME])):
            text = rest[at + FRAME : at + FRAME + size]
            found.append(text if ended else text.partition(b" ")[2])
            ended = text.endswith(b"\n")
            at += FRAME + size
        rest = rest[at:]
        if found:
            yield b"".join(found)
