"""What git knows of the folder that is released: the revision, its subject, and who works here. Looks only.

A repository's own configuration can name programs: filters, hooks, a file system monitor, an ssh command. Whoever may
write into the repository would have them run by whoever releases from it. So git is asked with all of them off; root
asks as the repository's owner; and nothing of the environment that is git's own counts.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 5.0  # seconds for one question
# Settings of a repository that would make our questions run a program or fetch something. Source: git-config(1).
QUIET = tuple(
    part
    for setting in (
        "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.sshCommand=false", "core.gitProxy=false",
        "core.askPass=false", "core.pager=cat", "core.editor=false", "core.alternateRefsCommand=false",
        "core.untrackedCache=false", "diff.external=", "gpg.program=false", "gpg.ssh.program=false",
        "gpg.x509.program=false", "credential.helper=", "log.showSignature=false", "status.submoduleSummary=false",
        "submodule.recurse=false", "extensions.partialClone=", "safe.bareRepository=explicit", "protocol.allow=never",
        *(f"protocol.{name}.allow=never" for name in ("ext", "fd", "file", "git", "http", "https", "ssh")),
    )
    for part in ("-c", setting)
)  # fmt: skip
NAMED = r"^(filter|diff|merge|credential|remote|protocol|gpg)\..*\."  # whoever writes them gives them a name
OFF = {"required": "false", "promisor": "false", "allow": "never"}  # by the last part of the key; the others: nothing
RUN = ("clean", "smudge", "process", "textconv", "command", "driver", "helper", "uploadpack", "vcs", "program", *OFF)
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Commit:
    """What is checked out: the revision (with a + when files were changed since) and its subject."""

    revision: str
    subject: str


def commit(folder: Path) -> Commit | None:
    """The commit that is checked out in a folder; None: no git, no repository, or no commit."""
    off = _named_off(folder)
    found = None if off is None else _ask(folder, *off, "log", "-1", "--no-show-signature", "--format=%h%x00%s")
    if off is None or not found:
        return None
    revision, _, subject = found.partition("\0")
    changed = _ask(folder, *off, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    return Commit(f"{revision}+" if changed else revision, subject)


def user(folder: Path) -> str:
    """Who git says commits here; empty: it does not know."""
    return _ask(folder, "config", "--get", "user.name", as_owner=False) or ""


def _named_off(folder: Path) -> tuple[str, ...] | None:
    """Options that switch off every filter, driver and helper that the repository names; None: nobody can."""
    keys: set[str] = set()
    for scope in ("--local", "--worktree"):
        found = _ask(folder, "config", scope, "--includes", "--null", "--name-only", "--get-regexp", NAMED)
        keys.update(key for key in (found or "").split("\0") if _last(key) in RUN)
    if any("=" in key or "\n" in key for key in keys):  # -c would take it for another one
        return None
    return tuple(part for key in sorted(keys) for part in ("-c", f"{key}={OFF.get(_last(key), '')}"))


def _last(key: str) -> str:
    return key.rpartition(".")[2].lower()


def _ask(folder: Path, *arguments: str, as_owner: bool = True) -> str | None:
    program = _program(folder)
    if program is None:
        return None
    owner = _owner(folder) if as_owner and os.geteuid() == 0 else 0
    try:
        done = subprocess.run(
            [program, *QUIET, "-C", str(folder), *arguments], capture_output=True, encoding="utf-8", errors="replace",
            timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL, env=_environment(owner), **_as_user(owner),
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None


def _program(folder: Path) -> str | None:
    """git from PATH, but none from the project: not from below it, nor from a place that depends on where we are."""
    project = os.path.realpath(_top(folder))
    for place in os.environ.get("PATH", SYSTEM).split(os.pathsep):
        found = os.path.join(place, "git")
        if os.path.isabs(place) and os.path.isfile(found) and os.access(found, os.X_OK) and _believed(found, project):
            return found
    return None


def _believed(program: str, project: str) -> bool:
    """Whether a program may be run: it is not the project's, and for root it is root's own."""
    real = os.path.realpath(program)
    inside = [os.path.commonpath([project, it]) == project for it in (os.path.abspath(program), real)]
    return (project == "/" or not any(inside)) and (os.geteuid() != 0 or os.stat(real).st_uid == 0)


def _top(folder: Path) -> Path:
    """The folder that has the repository in it; without one, the folder itself."""
    absolute = Path(os.path.abspath(folder))
    return next((it for it in (absolute, *absolute.parents) if os.path.lexists(it / ".git")), absolute)


def _owner(folder: Path) -> int:
    """Whose the repository is: the first of its parts that is not root's; 0: all of it is."""
    return next((owner for owner in _owners(_top(folder)) if owner), 0)


def _owners(top: Path) -> Iterator[int]:
    for path in (top / ".git", top / ".git" / "config", top):
        try:
            yield path.lstat().st_uid
        except OSError:
            continue


def _environment(owner: int) -> dict[str, str]:
    """Ours, without what git itself listens to; another user has a home of their own and no more of ours."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    if owner:
        found = {name: found[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in found}
        found["HOME"] = _home(owner)
    return {**found, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


def _home(owner: int) -> str:
    try:
        return pwd.getpwuid(owner).pw_dir
    except KeyError:
        return "/nonexistent"


def _as_user(owner: int) -> Mapping[str, Any]:
    if not owner:
        return {}
    try:
        group = pwd.getpwuid(owner).pw_gid
    except KeyError:
        group = owner
    return {"user": owner, "group": group, "extra_groups": []}
