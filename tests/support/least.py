"""The least that a way back can be: what flip-back is measured against. `python least.py STATE`

Standard library only, no checks, no words: take the lock, ask nginx, probe each idle replica once through the proxy,
rename the route, wait until the disk has it, ask nginx again.
"""

import fcntl
import json
import os
import socket
import sys
import time


def ask(path: str, target: str) -> tuple[int, bytes]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        found = b""
        while piece := connection.recv(65536):
            found += piece
    head, _, body = found.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def main(state: str) -> None:
    with open(f"{state}/lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        live = json.loads(ask(f"{state}/run/control.sock", "/state")[1])["live"]
        idle = "green" if live == "blue" else "blue"
        with open(f"{state}/nginx/nginx.conf") as file:
            slot = json.loads(file.readline().partition(": ")[2])["slots"][idle]
        for route in slot["routes"]:
            for address in slot["addresses"][route["service"]]:
                path = f"/probe/{address}/{route['port']}{route['health']['path']}"
                assert ask(f"{state}/run/probe.sock", path)[0] == 200
        folder = f"{state}/nginx/route"
        os.symlink(idle, f"{folder}/.least")
        os.rename(f"{folder}/.least", f"{folder}/live")
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        assert json.loads(ask(f"{state}/run/control.sock", "/state")[1])["live"] == idle
    print(time.monotonic())


if __name__ == "__main__":
    main(sys.argv[1])
