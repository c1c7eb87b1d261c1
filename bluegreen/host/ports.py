"""Which process of this machine listens on a port. Looks only."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Iterator

LISTENS = "0A"  # TCP_LISTEN in /proc/net/tcp, see proc_net_tcp.txt of Linux
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def process_on(address: str, port: int) -> str:
    """The process that holds a TCP port at an address (empty: any): "nginx (process 812)"; "": not to be seen."""
    wanted = {f"socket:[{inode}]" for held, inode in _listening(port) if _meet(held, address)}
    if not wanted:
        return ""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            folder = f"/proc/{process}/fd"
            if any(os.readlink(f"{folder}/{name}") in wanted for name in os.listdir(folder)):
                with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
                    return f"{file.read().strip()} (process {process})"
    return ""


def _listening(port: int) -> Iterator[tuple[str, str]]:
    """(address, inode) of each socket that listens on a port."""
    for table in TABLES:
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:
            for row in [line.split() for line in file][1:]:
                address, _, number = row[1].partition(":")
                if row[3] == LISTENS and int(number, 16) == port:
                    yield _address(address), row[9]


def _address(text: str) -> str:
    """An address as the kernel prints it: words of four bytes, each in the machine's order."""
    raw = bytes.fromhex(text)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    found = ipaddress.ip_address(b"".join(words))
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _meet(held: str, wanted: str) -> bool:
    """Whether one of the two is the other, or every address."""
    if not wanted or ipaddress.ip_address(held).is_unspecified or ipaddress.ip_address(wanted).is_unspecified:
        return True
    return ipaddress.ip_address(held) == ipaddress.ip_address(wanted)
