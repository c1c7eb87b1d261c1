"""Visitors with addresses of their own, behind a proxy that nginx trusts: which color each of them gets, over time."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.support.load import HOST, Client, Load, _right

BATCH = 200  # requests on their way on one connection


class Visitors(Load):
    """Each client is one visitor who asks again and again; `seen` has the colors that each got, in order."""

    def __init__(self, port: int, mix: dict[str, int], kept: float = 0.0) -> None:
        super().__init__(port, mix)
        self.colors: dict[str, list[str]] = defaultdict(list)
        self._addresses: dict[int, str] = {}
        self._pause = kept

    def __enter__(self) -> Visitors:
        super().__enter__()
        return self

    async def _get(self, client: Client) -> dict[str, Any]:
        address = self._addresses.setdefault(
            id(client), f"10.9.{len(self._addresses) // 250}.{len(self._addresses) % 250 + 1}"
        )
        found = _right(await client.request("GET", "/", headers=f"X-Forwarded-For: {address}\r\n"), "greeting")
        colors = self.colors[address]
        if not colors or colors[-1] != found["color"]:
            colors.append(str(found["color"]))
        return found


def addresses(count: int) -> list[str]:
    """So many different addresses, as networks of visitors have them: neighbours, IPv4 and IPv6."""
    found = [f"{10 + n // 16777216}.{n // 65536 % 256}.{n // 256 % 256}.{n % 256}" for n in range(count * 3 // 4)]
    return found + [f"2001:db8:{n // 65536:x}:{n % 65536:x}::1" for n in range(count - len(found))]


def colors_of(port: int, visitors: Iterable[str], path: str = "/which", header: str = "X-Forwarded-For") -> list[str]:
    """What nginx itself answers to each of them at a path that says the color; requests follow each other closely."""
    every, found = list(visitors), []
    with socket.create_connection((HOST, port), timeout=30) as connection, connection.makefile("rb") as answers:
        for begin in range(0, len(every), BATCH):
            part = every[begin : begin + BATCH]
            asked = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}: {it}\r\n\r\n" for it in part)
            connection.sendall(asked.encode())
            found += [_answer(answers) for _ in part]
    return found


def _answer(answers: Any) -> str:
    assert b" 200 " in answers.readline()
    length = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return str(answers.read(length).decode())
