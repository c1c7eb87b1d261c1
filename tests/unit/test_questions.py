"""The four questions: what the figures must be for each answer."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.domain.figures import Sums
from bluegreen.domain.questions import (
    Answer,
    Containers,
    Side,
    changed,
    is_slow,
    jobs_fail,
    ms,
    share,
    size,
    surely_other,
)
from bluegreen.look.questions import up, with_certificates


def sums(requests: int, seconds: float = 0.01, failed: int = 0, size: int = 100) -> Sums:
    found = Sums(requests, failed, requests * size, {"2": requests})
    found.latency.add(seconds, requests)
    return found


@pytest.mark.parametrize(
    ("now", "hour", "previous", "answer"),
    [
        (sums(0), sums(9000), sums(9000), "cannot tell"), (sums(29), sums(9000), sums(9000), "cannot tell"),
        (sums(100), sums(0), sums(0), "cannot tell"), (sums(100), sums(100), sums(0), "no"),
        (sums(100, 0.2), sums(100), sums(0), "yes"), (sums(100, 0.2), sums(100, 0.15), sums(100, 0.01), "yes"),
        (sums(100, 0.05), sums(100, 0.01), sums(0), "no"), (sums(100, 0.001), sums(100, 0.2), sums(100, 0.2), "no"),
    ],
)  # fmt: skip
def test_slow(now: Sums, hour: Sums, previous: Sums, answer: str) -> None:
    assert is_slow(now, hour, previous, 7).answer == answer


def both(before: Sums, after: Sums, **more: Any) -> Answer:
    routes = more.get("routes", ({}, {}))
    containers = more.get("containers", (Containers(), Containers()))
    return changed(
        Side(1, before, routes[0], containers[0]), Side(2, after, routes[1], containers[1]), "live for 5 min"
    )


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (sums(1000), sums(1000), []), (sums(1000, failed=1), sums(1000, failed=3), []),
        (sums(1000), sums(1000, failed=30), ["errors"]), (sums(1000, failed=100), sums(1000), ["errors"]),
        (sums(1000), sums(1000, 0.1), ["latency"]), (sums(1000, 0.1), sums(1000), ["latency"]),
        (sums(1000, 0.001), sums(1000, 0.01), []),
    ],
)  # fmt: skip
def test_what_counts_as_changed(before: Sums, after: Sums, names: list[str]) -> None:
    found = both(before, after)
    assert (found.answer, [it["name"] for it in found.what["what"]]) == ("yes" if names else "no", names)


def test_routes_that_are_new_gone_or_of_another_size() -> None:
    before = {"GET /": sums(500), "GET /old": sums(300), "GET /rare": sums(3), "other": sums(10)}
    after = {"GET /": sums(500, size=1000), "GET /new": sums(50), "GET /odd": sums(2), "other": sums(900)}
    found = both(sums(1000), sums(1000), routes=(before, after))
    assert [it["words"] for it in found.what["what"]] == [
        "new: GET /new", "gone: GET /old", "other sizes: GET / (1000 B, before 100 B)",
    ]  # fmt: skip
    assert both(sums(1000), sums(100), routes=({"GET /old": sums(30)}, {})).answer == "no", "it may still come"


def test_containers_that_restart_or_need_more_memory() -> None:
    mib = 1024**2
    found = both(sums(5), sums(5), containers=(Containers(0, 100 * mib), Containers(2, 300 * mib)))
    assert [it["words"] for it in found.what["what"]] == ["2 restarts", "memory 300 MB, before 100 MB"]
    assert found.answer == "yes", "even with too few requests to compare"
    assert both(sums(200), sums(200), containers=(Containers(9, mib), Containers(0, 2 * mib))).answer == "no"


def test_too_few_requests_or_no_release_before_is_no_answer() -> None:
    assert both(sums(99), sums(1000)).answer == "cannot tell"
    assert changed(None, Side(1, sums(1000), {}), "").words == "there is no release before"
    assert changed(None, None, "").words == "no release is live"


def test_a_difference_by_chance_is_none() -> None:
    assert not surely_other(sums(1000, failed=10), sums(1000, failed=15))
    assert surely_other(sums(100_000, failed=1000), sums(100_000, failed=1500))
    assert not surely_other(sums(10**7), sums(10**7, failed=500)), "by too little to matter"


def test_jobs() -> None:
    assert jobs_fail({}, []).words == "there are none"
    found = jobs_fail({"worker": {"failing": ["worker-1 is exited"]}}, ["worker 0/1 running"])
    assert (found.answer, found.what["failing"]) == ("yes", ["worker: worker-1 is exited"])


def test_figures_as_a_person_reads_them() -> None:
    assert [ms(sums(1, it), 0.5).split()[1] for it in (0.001, 0.05, 2, 50)] == ["ms", "ms", "s", "s"]
    assert ms(sums(1, 0.001), 0.5) == "1.1 ms", "the edge of a bucket that is a tenth wide"
    assert (share(sums(8)), share(sums(1000, failed=5))) == ("0 %", "0.50 %")
    assert [size(it) for it in (5, 5000, 5 * 1024**2, 5 * 1024**3)] == ["5 B", "5 KB", "5 MB", "5.0 GB"]


STATE: dict[str, Any] = {
    "closed": None, "jobs": {"worker": {}}, "failover": None, "certificates": None,
    "live": {"replicas": {"web": {"wanted": 2, "healthy": 1}, "worker": {"wanted": 1, "healthy": 0}}},
}  # fmt: skip
ANSWERS = {"at": "80", "path": "/health", "status": 200, "seconds": 0.003, "why": ""}


@pytest.mark.parametrize(
    ("visits", "state", "answer", "words"),
    [
        ([ANSWERS], {}, "yes", "80 answered 200 in 3 ms"), ([ANSWERS | {"status": 404}], {}, "yes", "404"),
        ([ANSWERS | {"status": 502}], {}, "no", "80 answered 502 to GET /health"), ([], {}, "no", "not published"),
        ([ANSWERS, ANSWERS | {"status": None, "why": "refused the connection"}], {}, "no", "refused"),
        ([ANSWERS], {"closed": {"since": "noon"}}, "no", "maintenance"),
        ([ANSWERS], {"live": None}, "no", "no release"),
        ([ANSWERS], {"live": {"replicas": {"web": {"wanted": 2, "healthy": 0}}}}, "no", "no replica of web"),
        ([ANSWERS], {"live": {"replicas": {"web": {"wanted": 2, "healthy": 0}}},
                     "failover": {"serving": True, "color": "blue"}}, "yes", "blue answers for the live color"),
    ],
)  # fmt: skip
def test_up(visits: list[dict[str, Any]], state: dict[str, Any], answer: str, words: str) -> None:
    found = up(visits, STATE | state)
    assert found.answer == answer
    assert words in found.words


def test_an_expired_certificate_is_not_up() -> None:
    for kind, answer, words in (
        ("valid", "yes", "valid for 9 days"), ("placeholder", "yes", "no certificate yet"),
        ("expired", "no", "has expired"),
    ):  # fmt: skip
        state: dict[str, Any] = {
            "certificates": [{"name": "a.test", "state": kind, "days": 9}],
            "questions": {"up": {"answer": "yes", "words": "80 answered"}},
        }
        with_certificates(state)
        assert state["questions"]["up"]["answer"] == answer
        assert words in state["questions"]["up"]["words"]
