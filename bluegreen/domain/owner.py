"""Who has a container that is not ours, in words, and how to free its name or port. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import join


@dataclass(frozen=True)
class Owner:
    """What a container's labels say about it; empty: they do not say it."""

    container: str
    app: str = ""  # another app of bluegreen
    role: str = ""
    project: str = ""  # of Compose
    service: str = ""
    folder: str = ""  # that it was made from
    running: bool = False

    @property
    def words(self) -> str:
        where = f" ({self.folder})" if self.folder else ""
        if self.app:
            what = "the proxy" if self.role == "proxy" else "a container"
            return f"{self.container}, {what} of the app {self.app}{where}"
        if self.project:
            return f"{self.container}, {self.service} of the Compose project {self.project}{where}"
        return f"container {self.container}"

    def way_out(self, instead: str, verb: str = "stop") -> str:
        """What to type; `instead`: what else the person may change, `verb`: stop, or rm for a name."""
        if self.app:
            return f"bluegreen apps (lists the apps of this machine), then {instead}"
        if self.project:
            words = ["stop", self.service] if verb == "stop" else ["rm", "--stop", self.service]
            return f"{join(['docker', 'compose', '-p', self.project, *words])}, or {instead}"
        words = ["stop", self.container] if verb == "stop" else ["rename", self.container, f"{self.container}-old"]
        return f"{join(['docker', *words])}, or {instead}"
