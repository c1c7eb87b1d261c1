"""What renews certificates when nobody types: a systemd timer, or a line for cron."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

SYSTEM = Path("/etc/systemd/system")
HOURLY = "17 * * * *"  # each hour, not at the full one, when everybody asks the CAs

SERVICE = """# Written by bluegreen tls timer --install: renews the certificates of {app} when they are due.
[Unit]
Description=Certificates of {app} (bluegreen)
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=oneshot
Environment={environment}
ExecStart={command}
"""
TIMER = """# Written by bluegreen tls timer --install.
[Unit]
Description=Certificates of {app} (bluegreen), each hour

[Timer]
OnCalendar=hourly
RandomizedDelaySec=15m
Persistent=true

[Install]
WantedBy=timers.target
"""


def command(app: str, state: str) -> list[str]:
    """What is to run: this very program, from anywhere."""
    program = [sys.executable, "-m", "bluegreen", "-p", app]
    return ["/usr/bin/env", f"BLUEGREEN_STATE_FOLDER={state}", *program, "tls", "renew"]


def folder() -> Path:
    """Where this user's units are. Source: systemd.unit(5)."""
    if os.geteuid() == 0:
        return SYSTEM
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base, "systemd", "user")


def units(app: str, arguments: Sequence[str]) -> dict[str, str]:
    """The two files, by their names."""
    name = f"bluegreen-tls-{app}"
    environment = shlex.quote(f"PATH={os.environ.get('PATH', os.defpath)}")
    escaped = " ".join(_unit_word(it) for it in arguments)
    return {
        f"{name}.service": SERVICE.format(app=app, command=escaped, environment=environment.replace("%", "%%")),
        f"{name}.timer": TIMER.format(app=app),
    }


def cron(arguments: Sequence[str]) -> str:
    """The line for crontab -e. Source: crontab(5); a % means a new line there."""
    return f"{HOURLY} {shlex.join(arguments)} >/dev/null".replace("%", "\\%")


def _unit_word(word: str) -> str:
    """Source: systemd.service(5), quoting and specifiers."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
