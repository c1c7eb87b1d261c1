"""Where certificates are: kept in the state folder's tls/, shown to nginx in nginx/tls/.

`tls/` outlives a `down`. Only its owner reads it; what nginx is shown belongs to the user that nginx runs as, 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bluegreen import files
from bluegreen.domain.tls import stem
from bluegreen.features.certificates.record import Record
from bluegreen.frontdoor.route import make_folder
from bluegreen.frontdoor.secure import CHALLENGES, FOLDER, REAL

KEPT = "tls"
WANTED = "wanted.json"
PUBLIC_MODE, SECRET_MODE = 0o644, 0o600


class Store:
    """The certificates of one app. `user`: who nginx runs as. Every method raises OSError."""

    def __init__(self, state: Path, user: tuple[int, int]) -> None:
        self.folder, self.nginx = state / KEPT, Shown(state / "nginx", user)

    # -- what is wanted

    def want(self, wanted: Mapping[str, Any] | None) -> None:
        """Writes down what the block says, so that a renewal needs no Compose file; None: no TLS any more."""
        path = self.folder / WANTED
        if wanted is None:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        elif self.wanted() != dict(wanted):
            self._make()
            files.replace(str(path), json.dumps(dict(wanted)).encode())

    def wanted(self) -> dict[str, Any] | None:
        """What the block said at the last up, switch or prepare; None: no TLS, or unreadable."""
        return _document(self.folder / WANTED)

    # -- what is kept

    def record(self, name: str) -> Record:
        """What is known of a name; unreadable counts as nothing."""
        try:
            return Record.from_dict({**(_document(self._path(name, "json")) or {}), "name": name})
        except TypeError:
            return Record(name)

    def note(self, record: Record) -> None:
        self._make()
        files.replace(str(self._path(record.name, "json")), json.dumps(record.as_dict()).encode())

    def pem(self, name: str) -> bytes | None:
        """Key and certificates, in one; None: there are none."""
        return _content(self._path(name, "pem"))

    def keep(self, name: str, pem: bytes) -> None:
        self._make()
        files.replace(str(self._path(name, "pem")), pem)

    def pending_key(self, name: str) -> bytes | None:
        """The key of an order that is not finished."""
        return _content(self._path(name, "key"))

    def keep_pending_key(self, name: str, key: bytes | None) -> None:
        if key is None:
            with contextlib.suppress(FileNotFoundError):
                self._path(name, "key").unlink()
            return
        self._make()
        files.replace(str(self._path(name, "key")), key)

    def account(self, name: str) -> dict[str, Any] | None:
        return _document(self.folder / f"account-{name}.json")

    def keep_account(self, name: str, account: Mapping[str, Any]) -> None:
        self._make()
        files.replace(str(self.folder / f"account-{name}.json"), json.dumps(dict(account)).encode())

    # -- small parts

    def _path(self, name: str, kind: str) -> Path:
        return self.folder / f"{stem(name)}.{kind}"

    def _make(self) -> None:
        os.makedirs(self.folder, 0o700, exist_ok=True)


class Shown:
    """What nginx is shown. Every method raises OSError."""

    def __init__(self, folder: Path, user: tuple[int, int]) -> None:
        self._folder, self._user = folder, user

    def pem(self, name: str) -> bytes | None:
        return _content(self._folder / FOLDER / f"{stem(name)}.pem")

    def show(self, name: str, pem: bytes) -> None:
        """nginx serves it from the next second on: one rename."""
        self._make()
        path = self._folder / FOLDER / f"{stem(name)}.pem"
        fresh = path.with_name(f".{path.name}.nginx")
        files.replace(str(fresh), pem, SECRET_MODE)
        if os.geteuid() == 0:
            os.chown(fresh, *self._user, follow_symlinks=False)
        os.replace(fresh, path)
        files.sync(str(path.parent))

    def is_real(self, name: str) -> bool:
        return (self._folder / REAL / stem(name)).exists()

    def mark_real(self, name: str, real: bool) -> None:
        """Whether plain HTTP of this name is sent to HTTPS."""
        self._make()
        path = self._folder / REAL / stem(name)
        if real and not path.exists():
            files.replace(str(path), b"", PUBLIC_MODE)
        elif not real:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    @contextlib.contextmanager
    def challenge(self, token: str, answer: bytes) -> Iterator[None]:
        """While it lasts, nginx answers a CA that asks for this token."""
        self._make()
        path = self._folder / CHALLENGES / token
        files.replace(str(path), answer, PUBLIC_MODE)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    def forget_challenges(self) -> None:
        """What a killed order has left."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder / CHALLENGES):
                (self._folder / CHALLENGES / name).unlink()

    def _make(self) -> None:
        os.makedirs(self._folder, exist_ok=True)
        for folder in (FOLDER, REAL, CHALLENGES):
            make_folder(str(self._folder / folder))


def _content(path: Path) -> bytes | None:
    try:
        return files.read(str(path))
    except FileNotFoundError:
        return None


def _document(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(files.text(str(path)))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
