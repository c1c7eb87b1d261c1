"""One request, found by its id: who answered it, when, and what the application wrote meanwhile. Looks only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bluegreen.domain.receipt import iso
from bluegreen.domain.traffic import UNANSWERED, Seen, parse
from bluegreen.domain.world import Replica
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.flow.figures import is_stamp
from bluegreen.flow.traffic import lines
from bluegreen.flow.values import Tools

WINDOWS = (3600.0, None)  # seconds of the log that are searched, one after the other; None: all of it
AROUND = 0.5  # seconds before and after a request whose lines may be of it
LATER = 60.0  # seconds after it in which lines with its id are looked for
LINES = 100  # that are shown


def why(tools: Tools, request_id: str) -> dict[str, Any]:
    """The fields of `why --json`. Raises BluegreenError when the log does not have it."""
    proxy = tools.proxy.container()
    if proxy is None:
        raise _unknown(request_id, "nginx's container is not there, and its log is gone with it")
    first, found = "", list[Seen]()
    for window in WINDOWS:
        since = tools.wall() - window if window is not None else 0.0
        for stamp, one in _lines(tools, proxy.speaker, request_id, since):
            first = first or stamp
            if one is not None:
                found.append(one)
        if found:
            break
    if not found:
        reach = f"it goes back to {first[:19]} UTC" if is_stamp(first) else "it cannot be read, or is empty"
        raise _unknown(request_id, f"nginx's log does not have it; {reach}")
    replicas = {it.address: it for it in tools.containers.replicas() if it.address}
    return {"request_id": request_id, "requests": [_one(tools, it, replicas, request_id) for it in found]}


def _lines(tools: Tools, proxy: str, request_id: str, since: float) -> Iterator[tuple[str, Seen | None]]:
    """The first line, and each that has the id; only those are parsed."""
    wanted, first = request_id.encode(), True
    for line in lines(tools.containers.read_log(proxy, since)):
        if first or wanted in line:
            first = False
            stamp, _, text = line.partition(b" ")
            one = parse(text)
            yield stamp.decode(errors="replace"), one if one and one.request_id == request_id else None


def _one(tools: Tools, it: Seen, replicas: Mapping[str, Replica], request_id: str) -> dict[str, Any]:
    addresses = [part.strip().rpartition(":")[0] for part in it.upstream.replace(" : ", ", ").split(",")]
    asked = [replicas[address] for address in addresses if address in replicas]
    replica = next((one for one in reversed(asked) if one.release == it.release), None)
    wrote = list(_of_app(tools, replica, it, request_id)) if replica else []
    return {
        "began": iso(it.began), "ended": iso(it.ended), "seconds": it.seconds, "method": it.method, "uri": it.uri,
        "host": it.host, "client": it.client, "status": it.status, "bytes": it.size,
        "color": it.color or None, "release": it.release, "service": it.service or None,
        "upstream": it.upstream or None, "upstream_status": it.upstream_status or None,
        "container": replica.name if replica else None, "why": _meaning(it, replica),
        "lines": wrote[:LINES],
    }  # fmt: skip


def _meaning(it: Seen, replica: Replica | None) -> str:
    """What the fields together say, in a sentence."""
    if it.door == "preview":
        return "it was asked of the preview"
    if not it.upstream.strip("- "):
        return "nginx answered itself: a file, a redirect, or nothing that the release serves"
    if it.status == UNANSWERED:
        return f"the visitor left after {it.seconds:.1f} s, before there was an answer"
    tries = len([part for part in it.upstream.split(",") if part.strip()])
    said = f"{tries} replicas were asked, the last answered" if tries > 1 else "the release answered"
    if it.status in (502, 504) and str(it.status) in it.upstream_status:
        said = "no replica gave an answer that could be passed on"
    return said if replica else f"{said}; its container is gone, and its log with it"


def _of_app(tools: Tools, replica: Replica, it: Seen, request_id: str) -> Iterator[dict[str, str]]:
    """Lines of the container that have the id, and those of the time of the request."""
    wanted = request_id.encode()
    try:
        tools.containers.exit_of(replica.id)  # from here on what it was given is masked
        for line in lines(tools.containers.read_log(replica.id, it.began - AROUND, it.ended + LATER)):
            stamp, _, text = line.partition(b" ")
            moment = stamp.decode(errors="replace")
            named = wanted in text
            if named or (is_stamp(moment) and moment[:23] <= iso(it.ended + AROUND)[:23]):
                words = tools.mask(text.decode(errors="replace").rstrip("\r"))
                yield {"moment": moment, "text": words, "by": "id" if named else "time"}
    except BluegreenError:
        return


def _unknown(request_id: str, failed: str) -> BluegreenError:
    return BluegreenError(
        f"There is no request {request_id}.", code="no-such-request", failed=failed,
        expected="the id of X-Request-ID, as the release was given it and as nginx's log has it",
        retry="not useful", next=f"{COMMAND} logs proxy (has the ids of the last requests)",
    )  # fmt: skip


def in_words(found: Mapping[str, Any]) -> list[str]:
    """For people: what happened, then what the application wrote; each still to be made safe for a terminal."""
    said: list[str] = []
    for it in found["requests"]:
        said += [
            f"request    {found['request_id']}",
            f"asked      {it['method']} {it['uri']} ({it['host']}) by {it['client']}",
            f"began      {it['began']}, took {it['seconds']:.3f} s",
            f"answered   {it['status']}, {it['bytes']:,} bytes: {it['why']}",
            f"by         {_by(it)}",
        ]
        said += [f"{'id' if line['by'] == 'id' else 'meanwhile':<10} | {line['moment'][11:23]} {line['text']}"
                  for line in it["lines"]]  # fmt: skip
        said += ["its container wrote nothing then"] if it["container"] and not it["lines"] else []
    return said


def _by(it: Mapping[str, Any]) -> str:
    parts = [it["color"] or "nginx", f"release {it['release']}" if it["release"] else "", it["container"] or ""]
    return ", ".join(filter(None, parts)) + (f" ({it['upstream']})" if it["upstream"] else "")
