"""Compose itself: resolves the file, builds images, runs the shared services. Never a shell."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bluegreen.compose import made
from bluegreen.compose.found import HERE, Version, ask
from bluegreen.compose.options import Options, env_files, files, settled
from bluegreen.compose.pipes import refuse_pipes
from bluegreen.compose.secret_files import remember_files
from bluegreen.domain import secrets as secrecy
from bluegreen.domain import subnets
from bluegreen.domain.needed import switched_on
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import replace as write_file

OMITS_TRUE = (5, 0, 0)  # this version leaves out bind.create_host_path when it is true; older ones when it is false
WARNING = re.compile(r'level=warning msg="((?:[^"\\]|\\.)*)"')
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VARIABLE = re.compile(r"(?<!\$)\$\{?([A-Za-z_][A-Za-z0-9_]*)")
AS_JSON = ("config", "--format", "json")
PLAIN = "plain.yaml"  # in the state folder: with it, plain Compose serves the release that was live
PR_SET_PDEATHSIG = 1  # prctl(2)
Tell = Callable[[str], None]


class Compose:
    """The real Compose, for one project."""

    def __init__(
        self,
        options: Options,
        state: Callable[[], Path] | None = None,
        known: Callable[[], str | None] = lambda: None,
        believe: Callable[[], None] = lambda: None,
    ) -> None:
        """`known`: a state folder that may have a note of which Compose there is; it is read before the Compose file.

        `believe` raises BluegreenError for files that this user must not act on.
        """
        self._options = options
        self._state = state
        self._known, self._believe = known, believe
        self._interpolated: dict[str, str] | None = None
        self._folder = Path()
        self._document: dict[str, Any] = {}
        self.held: Callable[[], None] = lambda: None  # raises BluegreenError: another command may act by now
        self.warnings: tuple[str, ...] = ()  # what Compose itself said about the file

    def command(self) -> list[str]:
        """How Compose is called on this machine. Raises BluegreenError when it is missing or too old."""
        return list(HERE.find(self._known).command)

    def version(self) -> str:
        """As Compose itself says, not as a note says."""
        return ".".join(map(str, HERE.ask().version))

    def resolve(self, folder: Path) -> dict[str, Any]:
        """The project as Compose resolves it, with all profiles, `$$` unescaped to `$`.

        Secrets and configs that come from the environment have their `content`. `folder` is the project's.
        """
        self._folder = folder
        refuse_pipes(self._options, folder)
        done = self._call(["--profile", "*", *AS_JSON])
        self.warnings = tuple(dict.fromkeys(map(_unquoted, WARNING.findall(done.stderr))))
        document = _document(done)
        found = HERE.find(self._known)
        if found.noted and not _fits(document, found.version):
            found = HERE.ask()
        if found.version < OMITS_TRUE:
            for mount in _mounts(document):
                mount["bind"].setdefault("create_host_path", False)
        _fill_in(self, document, folder)
        secrecy.remember(document)
        remember_files(document, folder)
        self._document = document
        return document

    def variables(self, names: Sequence[str], folder: Path) -> dict[str, str | None]:
        """The values that Compose would use for these variables, from the environment and .env; None: not set."""
        plain = [name for name in names if NAME.fullmatch(name)]
        found = {name: os.environ.get(name) for name in names}  # for names that ${…} cannot have
        if not plain:
            return found
        asked = {"services": {}, "name": "ask", "x-asked": [[f"${{{name}+set}}", f"${{{name}-}}"] for name in plain]}
        self._believe()
        command = [*self.command(), "--file", "-", "--project-directory", str(folder)]
        read = env_files(self._options, Path.cwd(), str(folder), os.environ)
        command += [part for file in read for part in ("--env-file", file)]
        done = ask([*command, *AS_JSON], input=json.dumps(asked))
        if done.returncode:
            raise _unreadable(done, "env files", _shown(self, self._options, "config"))
        answers = _document(done)["x-asked"]
        found |= {name: value if there else None for name, (there, value) in zip(plain, answers, strict=True)}
        secrecy.remember_variables(
            {name: value for name, value in found.items() if secrecy.looks_secret(name, value or "")}
        )
        return found

    def interpolated(self, folder: Path) -> dict[str, str]:
        """The variables that the file interpolates, with their values; those that are not set are left out.

        Values that look like secrets are masked from then on. Compose is asked once for each command.
        """
        if self._interpolated is None:
            names = set(VARIABLE.findall(self._call(["--profile", "*", *AS_JSON, "--no-interpolate"]).stdout))
            values = self.variables(sorted(names), folder)
            self._interpolated = {name: value for name, value in values.items() if value is not None}
        return self._interpolated

    def ensure_prerequisites(self, services: Sequence[str], tell: Tell) -> None:
        """Compose creates the networks and volumes of these services, and no container or image."""
        none = [part for service in services for part in ("--scale", f"{service}=0")]
        self._stream(
            ["--profile", "*", "up", "--no-start", "--no-deps", "--no-build", "--pull", "never", *none, *services],
            "Compose did not create the networks and volumes of the release services.",
            tell,
            own_group=True,
        )

    def build(self, service: str, pull: bool, tell: Tell) -> None:
        """Builds the image of one service."""
        self._stream(
            ["--profile", "*", "build", *(["--pull"] if pull else []), service],
            f"The image of {service} was not built.",
            tell,
        )

    def up(self, services: Sequence[str], tell: Tell, recreate: bool = True) -> None:
        """Starts shared services as plain Compose would; changes nothing when they match the file.

        Without `recreate`, existing containers are started as they are. Release services that a shared one depends
        on are not started: they run in the colors.
        """
        as_it_is = [] if recreate else ["--no-recreate"]
        on = switched_on(self._document.get("services") or {}, "*")
        arguments = [*on, "up", "--detach", "--no-deps", *as_it_is, *services]
        self._stream(arguments, "Compose did not start the shared services.", tell)
        if self._state is not None and recreate and self._document:
            prints = made.fingerprints(self._document, services, self._state())
            made.write(self._state(), prints, _stats(self, self._options, self._folder))

    def changed(self, services: Sequence[str], running: Callable[[], Mapping[str, str]]) -> list[str]:
        """Services that the next `up` would recreate, because their containers do not match the file.

        `running`: service -> Compose's own hash, from the label of its container. Compose is asked for the current
        hash only if a service has changed since the last `up`.
        """
        if self._state is None:
            return []
        noted, now = made.read(self._state())[0], made.fingerprints(self._document, services, self._state())
        suspects = [name for name in services if noted.get(name) != now[name]]
        there = running() if suspects else {}
        suspects = [name for name in suspects if name in there]
        if not suspects:
            return []
        lines = self._call(["--profile", "*", "config", "--hash", ",".join(suspects)]).stdout.splitlines()
        hashes = dict(line.split() for line in lines if len(line.split()) == 2)
        return [name for name in suspects if hashes.get(name, there[name]) != there[name]]

    def down(self, volumes: bool, tell: Tell) -> None:
        """Stops and removes what Compose runs of this project; named volumes only with `volumes`."""
        active = settled(self._options, self._folder, lambda: self).get("COMPOSE_PROFILES", "")
        profiles = switched_on(self._document.get("services") or {}, active)
        arguments = [*profiles, "down", *(["--volumes"] if volumes else [])]
        self._stream(arguments, "Compose did not remove the shared services.", tell, own_group=True)

    def plain_command(self, override: Mapping[str, Any], services: Sequence[str]) -> str:
        """Writes an override file, and returns the command that runs these services with it."""
        if self._state is None:
            return ""
        file = self._state() / PLAIN
        write_file(str(file), f"{json.dumps(override, indent=2)}\n".encode())
        shown = os.path.relpath(file)
        found = settled(self._options, self._folder, lambda: self)
        both = [*files(self._options, Path.cwd(), found), shown if not shown.startswith("..") else str(file)]
        read = env_files(self._options, Path.cwd(), str(self._folder), found)
        options = replace(self._options, files=tuple(both), env_files=tuple(read))
        return shlex.join([*self.command(), *options.arguments(), "up", "-d", *services])

    def _arguments(self) -> list[str]:
        self._believe()
        return [*self.command(), "--ansi", "never", *self._options.arguments()]

    def _call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = ask([*self._arguments(), *arguments])
        if done.returncode and HERE.find().noted:
            HERE.ask()  # if Compose is missing or too old by now, that is the better message
        if done.returncode:
            raise _unreadable(done, "Compose file", _shown(self, self._options, "config"))
        return done

    def _stream(self, arguments: Sequence[str], summary: str, tell: Tell, *, own_group: bool = False) -> None:
        """Runs Compose and shows its output. `own_group`: a Ctrl-C or the end of the terminal does not reach it."""
        self.held()
        lines: list[str] = []
        with subprocess.Popen(
            [*self._arguments(), "--progress", "plain", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            encoding="utf-8", errors="replace", env=_environment(),
            preexec_fn=_end_with_us, process_group=0 if own_group else None,
        ) as process:  # fmt: skip
            try:
                for line in process.stdout or ():
                    if said := secrecy.without_secrets(line.rstrip()):
                        lines.append(said)
                        tell(said.strip())
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise subnets.none_left("\n".join(lines)) or BluegreenError(
                summary,
                code="compose-failed",
                failed=last_words("\n".join(lines)) or f"docker compose ended with {process.returncode}",
                expected=f"{_shown(self, self._options, *arguments)} to succeed",
                retry="safe, after the cause is fixed",
                lines=lines[-10:],
            )


def resolved(compose: Compose) -> str:
    """The project as Compose prints it, with all profiles: input for another Compose."""
    return compose._call(["--profile", "*", *AS_JSON]).stdout


def _shown(compose: Compose, options: Options, *arguments: str) -> str:
    """A command of Compose for this project, as it can be typed here."""
    return f"{shlex.join(compose.command())}{options.shown()} {shlex.join(arguments)}"


def _unreadable(done: subprocess.CompletedProcess[str], what: str, look: str) -> BluegreenError:
    return BluegreenError(
        f"Compose cannot read the {what}.",
        code="compose-file-invalid",
        failed=last_words(done.stderr),
        expected="files that docker compose config accepts",
        retry="safe, after the file is fixed",
        next=look,
        exit_code=ExitCode.USAGE,
        lines=done.stderr.splitlines()[-5:],
    )


def _fill_in(compose: Compose, document: Mapping[str, Any], folder: Path) -> None:
    """Adds the content of secrets and configs: Compose shows only the names of their variables."""
    wanting = {
        f"{kind}.{key}": defined
        for kind in ("secrets", "configs")
        for key, defined in (document.get(kind) or {}).items()
        if defined.get("environment") and not defined.get("content")
    }
    values = compose.variables(sorted({defined["environment"] for defined in wanting.values()}), folder)
    for key, defined in wanting.items():
        if values[defined["environment"]] is None:
            raise BluegreenError(
                f"The environment variable {defined['environment']} is not set.", code="variable-not-set",
                failed=f"{key} takes its content from it", expected="a value in the environment or in .env",
                retry="safe, after it is set", exit_code=ExitCode.USAGE,
            )  # fmt: skip
        defined["content"] = values[defined["environment"]]


def _stats(it: Compose, options: Options, folder: Path) -> list[list[Any]]:
    found = settled(options, folder, lambda: it)
    return made.stats([*files(options, Path.cwd(), found), *env_files(options, Path.cwd(), str(folder), found)])


def _environment() -> dict[str, str]:
    """Our environment. As root, buildx must not run git: a repository can say what git runs."""
    asks_nothing = {} if os.geteuid() else {"BUILDX_GIT_INFO": "false"}
    return {**asks_nothing, **os.environ}


def _end_with_us() -> None:
    """Compose is ended when we are killed: it must not run any more when the next command starts."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def resolve_shipped(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """One of our own compose files with these variables. COMPOSE_* of the person's environment does not count.

    The rest of the environment stays: with it Docker finds Compose (DOCKER_CONFIG, HOME, PATH …).
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "BLUEGREEN_"))}
    done = ask(
        [*HERE.find().command, "--file", str(file), "--project-directory", str(file.parent), *AS_JSON],
        env={**others, **variables}, check=True,
    )  # fmt: skip
    return _document(done)


def unescape(value: Any) -> Any:
    """Compose's `$$` back to `$`, everywhere: Compose prints it for another Compose."""
    if isinstance(value, str):
        return value.replace("$$", "$")
    if isinstance(value, Mapping):
        return {unescape(key): unescape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [unescape(entry) for entry in value]
    return value


def _mounts(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for service in (document.get("services") or {}).values():
        yield from (mount for mount in service.get("volumes") or [] if mount.get("bind") is not None)


def _fits(document: Mapping[str, Any], version: Version) -> bool:
    """Whether a Compose of that version may have printed this: a script can call another version by now."""
    said = {mount["bind"].get("create_host_path") for mount in _mounts(document)}
    if version >= OMITS_TRUE:
        return True not in said
    return False not in said and (None not in said or True in said)


def _unquoted(text: str) -> str:
    """A message of Compose's log without the quoting of its line."""
    return text.replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\")


def _document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        found = unescape(json.loads(done.stdout))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BluegreenError(
            "Compose did not print the resolved file as JSON.", code="compose-silent", failed=done.stdout[:100],
            expected="a JSON object",
        )  # fmt: skip
    return found


def last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "level=warning" not in line]
    return lines[-1][:300] if lines else ""
