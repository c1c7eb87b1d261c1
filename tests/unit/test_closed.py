"""Which files an address becomes, and what is read of a link that somebody else may have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bluegreen.frontdoor import closed, route


@pytest.mark.parametrize(
    ("network", "names"),
    [
        ("203.0.113.7", ["203.0.113.7"]), ("203.0.113.7/32", ["203.0.113.7"]), ("2001:DB8::1", ["2001:db8::1"]),
        ("10.0.0.0/8", ["10"]), ("192.168.0.0/16", ["192.168"]), ("192.168.7.0/24", ["192.168.7"]),
        ("10.16.0.0/15", ["10.16", "10.17"]), ("198.51.100.8/31", ["198.51.100.8", "198.51.100.9"]),
    ],
)  # fmt: skip
def test_a_network_is_the_first_bytes_of_its_addresses(network: str, names: list[str]) -> None:
    assert closed.names(network) == names


@pytest.mark.parametrize("wrong", ["everybody", "10.0.0.1/8", "2001:db8::/32", "", "10.0.0.0/8/8", "../../etc"])
def test_what_nginx_cannot_tell_apart_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        closed.names(wrong)


def test_the_whole_of_the_internet_is_no_more_than_256_files() -> None:
    assert len(closed.names("0.0.0.0/0")) == 256


@pytest.mark.parametrize(("wish", "said"), [(0, 10), (10, 10), (11, 30), (240, 300), (600, 600), (10**9, 86400)])
def test_a_wish_becomes_the_next_that_nginx_can_say(wish: float, said: int) -> None:
    assert closed.retry(wish) == said


def _close(nginx: Path, message: str = "") -> None:
    closed.close(str(nginx), b"page", ["10.0.0.1"], 600, {"since": "now", "message": message, "allow": ["10.0.0.1"]})


def test_closing_again_leaves_one_folder_and_opening_its_page_for_who_is_late(tmp_path: Path) -> None:
    route.prepare(str(tmp_path))
    assert closed.read(str(tmp_path)) is None
    (tmp_path / "route" / "closed-1").mkdir()  # left by a command that was killed
    for message in ("one", "two"):
        _close(tmp_path, message)
        found = closed.read(str(tmp_path))
        assert found is not None
        assert (found["message"], found["allow"]) == (message, ["10.0.0.1"])
        assert len(list((tmp_path / "route").glob("closed-*"))) == 1
    assert closed.reopen(str(tmp_path)) is True
    assert closed.reopen(str(tmp_path)) is False
    assert closed.read(str(tmp_path)) is None
    left = sorted(path.name for path in (tmp_path / "route" / "closed").iterdir())
    assert left == ["about.json", "allow", "retry", "shown.html"]
    assert len(list((tmp_path / "route").glob("closed-*"))) == 1


def test_a_disk_that_is_full_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route.prepare(str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _close(tmp_path)
    assert not closed.is_closed(str(tmp_path))


@pytest.mark.parametrize("about", [b"", b"[]", b"{", b'{"allow": 7, "retry_after": "x"}'])
def test_a_broken_note_is_no_reason_to_call_it_open(tmp_path: Path, about: bytes) -> None:
    route.prepare(str(tmp_path))
    _close(tmp_path)
    (tmp_path / "route" / "closed" / "about.json").write_bytes(about)
    assert closed.read(str(tmp_path)) is not None
