"""What the Engine gives of a log: frames, in pieces that end anywhere."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bluegreen.places.docker.logs import unframed

STAMP = b"2026-11-27T14:10:27.123456789Z "


def frame(text: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda it: it.replace(b"\n", b"")), max_size=20), st.integers(1, 200))
def test_frames_are_taken_apart_wherever_pieces_end(texts: list[bytes], size: int) -> None:
    lines = [STAMP + text + b"\n" for text in texts]
    log = b"".join(frame(line, 1 + number % 2) for number, line in enumerate(lines))
    assert b"".join(unframed(pieces(log, size))) == b"".join(lines)


def test_a_long_line_is_one_line() -> None:
    log = frame(STAMP + b"a" * 16) + frame(STAMP + b"b" * 16) + frame(STAMP + b"c\n") + frame(STAMP + b"next\n")
    assert b"".join(unframed([log])) == STAMP + b"a" * 16 + b"b" * 16 + b"c\n" + STAMP + b"next\n"


def test_what_a_terminal_was_given_has_no_frames() -> None:
    text = STAMP + b"a line\r\n" + STAMP + b"another\r\n"
    for size in (1, 5, 1000):
        assert b"".join(unframed(pieces(text, size))) == text
    assert b"".join(unframed([b"no"])) == b"no"
    assert b"".join(unframed([])) == b""
