"""systemd of this machine, or of this user: whether it runs, and a timer that it is to start."""

from __future__ import annotations

import os
import subprocess

RUNS = "/run/systemd/system"  # source: sd_booted(3)
TIMEOUT = 30.0  # seconds


def runs() -> bool:
    return os.path.isdir(RUNS)


def enable(unit: str) -> str:
    """Has it read its files again and start a unit, now and at each boot; why not, or nothing."""
    whose = [] if os.geteuid() == 0 else ["--user"]
    for words in (["daemon-reload"], ["enable", "--now", unit]):
        try:
            done = subprocess.run(
                ["systemctl", *whose, *words], capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"systemctl: {error}"
        if done.returncode:
            return done.stderr.strip()[-200:] or f"systemctl ended with {done.returncode}"
    return ""
