"""Before nginx loads a file that names certificates, each of them is there: a real one, or a placeholder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bluegreen import files
from bluegreen.domain.app import Stack
from bluegreen.domain.tls import ACME, FILES, certificates
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.features.certificates.record import Record
from bluegreen.features.certificates.store import Store


def missing(store: Store, stack: Stack) -> tuple[str, ...]:
    """The names whose certificate nginx does not have, or not as it is by now; looks only."""
    names = certificates(stack.settings)
    try:
        return tuple(name for name, source in names.items() if _missing(store, stack, name, source))
    except PermissionError:
        return ()


def _missing(store: Store, stack: Stack, name: str, source: str) -> bool:
    shown = store.nginx.pem(name)
    if source == ACME:
        return shown is None or shown != store.pem(name)
    return shown is None or _stamp(stack, name) != store.record(name).stamp


def ensure(store: Store, stack: Stack) -> str:
    """Makes what is missing; says what. Raises BluegreenError for files of the person that are of no use."""
    done = []
    for name, source in certificates(stack.settings).items():
        if _missing(store, stack, name, source):
            done.append(f"{name}: {_from_files(store, stack, name) if source == FILES else _kept(store, name)}")
    return ", ".join(done)


def _kept(store: Store, name: str) -> str:
    """What was ordered before, else a placeholder."""
    from bluegreen.features.certificates import pair

    record, pem = store.record(name), store.pem(name)
    if pem is None:
        pem = pair.placeholder(name)
        store.keep(name, pem)
        record = Record(name)
        store.note(record)
    store.nginx.show(name, pem)
    store.nginx.mark_real(name, record.real)
    return "shown to nginx" if record.real else "a placeholder until the CA has given one"


def _from_files(store: Store, stack: Stack, name: str) -> str:
    tls = stack.settings.tls
    pairs: Mapping[str, tuple[str, str]] = tls.files if tls else {}
    copy(store, name, pairs[name], stack.project_directory, _stamp(stack, name))
    return f"copied from {pairs[name][0]}"


def copy(store: Store, name: str, pair_of: tuple[str, str], folder: str, stamp: str) -> Record:
    """A certificate that the person brings, checked and shown to nginx. Raises BluegreenError."""
    from bluegreen.features.certificates import pair

    paths = [Path(folder, it) for it in pair_of]
    try:
        certificate, key = (files.read(str(path)) for path in paths)
        pem = pair.joined(name, certificate, key, time.time())
    except OSError as error:
        raise unfit(name, f"{error.strerror}: {error.filename}") from None
    except pair.UnfitPair as error:
        raise unfit(name, f"{pair_of[0]}: {error}") from None
    facts = pair.facts(pem)
    record = Record(name, FILES, facts.issuer, facts.serial, facts.begins, facts.ends, real=True, stamp=stamp)
    store.keep(name, pem)
    store.nginx.show(name, pem)
    store.nginx.mark_real(name, real=True)
    store.note(record)
    return record


def renew_files(store: Store, wanted: Mapping[str, object]) -> list[tuple[str, str]]:
    """Copies the person's files that have changed; (name, why not) for those that are of no use."""
    found = wanted.get("files")
    folder, failed = str(wanted.get("folder", "/")), []
    for name, pair_of in (found if isinstance(found, dict) else {}).items():
        stamp, record = stamp_of(folder, tuple(pair_of)), store.record(name)
        if stamp == record.stamp and store.nginx.pem(name) is not None:
            continue
        try:
            copy(store, name, (pair_of[0], pair_of[1]), folder, stamp)
        except BluegreenError as error:
            failed.append((name, error.failed))
            store.note(replace(record, error=error.failed, failed_at=int(time.time())))
    return failed


def unfit(name: str, words: str) -> BluegreenError:
    return BluegreenError(
        f"The certificate of {name} cannot be used.", code="certificate-unfit", failed=words,
        expected=f"tls.files.{name}: PEM files of a certificate with its chain and of its key, for this name",
        retry="safe, after the files are right", exit_code=ExitCode.USAGE,
    )  # fmt: skip


def _stamp(stack: Stack, name: str) -> str:
    tls = stack.settings.tls
    return stamp_of(stack.project_directory, tls.files[name]) if tls else ""


def stamp_of(folder: str, pair_of: tuple[str, ...]) -> str:
    """Tells one state of the files from another, without reading them; empty: they cannot be looked at."""
    try:
        found = [os.stat(os.path.join(folder, it)) for it in pair_of]
    except OSError:
        return ""
    return " ".join(f"{it.st_ino}:{it.st_mtime_ns}:{it.st_size}" for it in found)
