"""The metrics of one app, from what `status` knows and the journal has counted. Looks only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bluegreen import __version__
from bluegreen.domain.color import COLORS
from bluegreen.domain.evidence import Histogram
from bluegreen.domain.figures import Sums
from bluegreen.features.metrics.exposition import Family, written
from bluegreen.flow.figures import moment
from bluegreen.flow.receipts import looked
from bluegreen.flow.values import Tools

TARGETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)  # seconds
CLASSES = "12345"
# What is always there, with 0 before it first happens: increase() sees the first one too.
USUAL = (
    ("switch", "switched"), ("switch", "failed"), ("switch", "moved-back"), ("switch", "unknown"),
    ("flip-back", "flipped-back"), ("flip-back", "failed"),
)  # fmt: skip
GOOD = ("switched", "flipped-back", "prepared", "unchanged", "repaired", "finished", "down", "given-up")


def metrics(tools: Tools, state: Mapping[str, Any]) -> str:
    """The text. `state`: the fields of `status --json`, as of now."""
    unkept, _ = looked(tools)  # what is not read now is read later; the counters wait
    totals = tools.journal.figures.totals()
    for color, sums in unkept.by_color().items():
        totals.setdefault(color, Sums()).merge(sums)
    releases = {it["number"]: it for it in tools.journal.releases.all()}
    families = [
        Family("bluegreen_build_info", "gauge", "The version of bluegreen; always 1.").add(1, version=__version__),
        *_serving(state, releases), *_traffic(totals), *_operations(tools), *_certificates(state),
    ]  # fmt: skip
    return written(families, {"app": str(state["app"])})


def _serving(state: Mapping[str, Any], releases: Mapping[int, Mapping[str, Any]]) -> Iterator[Family]:
    up = Family(
        "bluegreen_up", "gauge", "1: visitors get answers, 0: they do not; absent: it cannot be asked from here."
    )
    answer = state["questions"]["up"]["answer"]
    yield up.add(answer == "yes") if answer != "cannot tell" else up
    closed = Family("bluegreen_maintenance", "gauge", "1: the app is closed for visitors by bluegreen maintenance.")
    yield closed.add(state["closed"] is not None)
    live = Family("bluegreen_live", "gauge", "1: the color that traffic goes to.")
    info = Family("bluegreen_release_info", "gauge", "The release on a color; always 1.")
    wanted = Family("bluegreen_replicas_wanted", "gauge", "Containers that a service should have on a color.")
    healthy = Family("bluegreen_replicas_healthy", "gauge", "Containers of a service on a color that are healthy.")
    for color in COLORS:
        live.add(bool(state["live"]) and state["live"]["color"] == color, color=color)
    for it in filter(None, (state["live"], state["idle"])):
        color, release = it["color"], it["release"]
        revision = str((releases.get(release) or {}).get("revision") or "")
        info.add(1, color=color, release=str(release), standing=it["standing"] or "", revision=revision)
        for service, counts in it["replicas"].items():
            wanted.add(counts["wanted"], color=color, service=service)
            healthy.add(counts["healthy"], color=color, service=service)
    since = Family("bluegreen_live_since_timestamp_seconds", "gauge", "When traffic moved to the live release.")
    if state["live"] and (when := _moment(state["live"]["since"])) is not None:
        since.add(when)
    failing = Family("bluegreen_job_failing", "gauge", "1: something is wrong with a job of the live release.")
    for name, job in state["jobs"].items():
        failing.add(bool(job["failing"]), job=name)
    yield from (live, since, info, wanted, healthy, failing)


def _traffic(totals: Mapping[str, Sums]) -> Iterator[Family]:
    """Of each color, and of what nginx has answered alone: running totals, which no clean-up makes smaller."""
    requests = Family("bluegreen_requests_total", "counter", "Requests of visitors; color none: nginx alone answered.")
    failed = Family(
        "bluegreen_requests_failed_total",
        "counter",
        "Requests answered 5xx, or left by the visitor after 5 s of nothing.",
    )
    sent = Family("bluegreen_response_size_bytes_total", "counter", "Bytes of all answers' bodies.")
    seconds = Family(
        "bluegreen_request_duration_seconds", "histogram",
        "From the first byte of a request to the last of its answer, by nginx; without upgraded connections.",
    )  # fmt: skip
    for color in (*COLORS, ""):
        sums, name = totals.get(color, Sums()), color or "none"
        for digit in sorted({*CLASSES, *sums.classes}):
            requests.add(sums.classes.get(digit, 0), color=name, status=f"{digit}xx")
        failed.add(sums.failed, color=name)
        sent.add(sums.sent, color=name)
        for edge, count in cumulative(sums.latency):
            seconds.add(count, "_bucket", color=name, le=f"{edge:g}")
        seconds.add(sums.latency.count, "_bucket", color=name, le="+Inf")
        seconds.add(round(sums.seconds, 3), "_sum", color=name)
        seconds.add(sums.latency.count, "_count", color=name)
    yield from (requests, failed, sent, seconds)


def cumulative(histogram: Histogram) -> Iterator[tuple[float, int]]:
    """(edge in seconds, how many took no longer), exact: nginx counts in milliseconds, and an edge is the last
    millisecond of one of the journal's buckets, the one that its target is in."""
    for target in TARGETS:
        bucket = 1 + int(math.log(target / Histogram.FIRST) / Histogram.STEP)
        end = Histogram.FIRST * math.exp(bucket * Histogram.STEP)
        edge = math.ceil(1000 * end - 1e-9) - 1
        yield edge / 1000, sum(count for it, count in histogram.counts.items() if it <= bucket)


def _operations(tools: Tools) -> Iterator[Family]:
    done = Family("bluegreen_operations_total", "counter", "Commands that acted, by verb and how they ended.")
    counts = dict.fromkeys(USUAL, 0) | tools.journal.operations.outcomes()
    for (verb, outcome), count in sorted(counts.items()):
        done.add(count, verb=verb, outcome=outcome)
    yield done
    when = Family("bluegreen_last_operation_timestamp_seconds", "gauge", "When the last command that acted ended.")
    good = Family("bluegreen_last_operation_success", "gauge", "1: it did what was asked for.")
    if last := tools.journal.operations.last():
        verb, outcome, ended = last
        if (found := _moment(ended)) is not None:
            when.add(found, verb=verb, outcome=outcome)
        good.add(outcome in GOOD)
    yield from (when, good)


def _certificates(state: Mapping[str, Any]) -> Iterator[Family]:
    expiry = Family("bluegreen_certificate_expiry_timestamp_seconds", "gauge", "When a certificate ends.")
    valid = Family("bluegreen_certificate_valid", "gauge", "0: a name has no certificate yet, or an expired one.")
    for it in state["certificates"] or ():
        if (when := _moment(it["expires"])) is not None and it["state"] != "placeholder":
            expiry.add(when, name=it["name"])
        valid.add(it["state"] == "valid", name=it["name"])
    yield from (expiry, valid)


def _moment(text: str | None) -> float | None:
    try:
        return moment(text) if text else None
    except ValueError:
        return None
