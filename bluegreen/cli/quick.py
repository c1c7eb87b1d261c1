"""The way back, by the side door: next to nothing is loaded until traffic has moved, and for most apps nothing after.

Each step is the function that the full story calls for it: the same lock, probe, rename, question, seal and journal.
What is unusual in any way is left to the full story before anything has moved; jobs, hooks and whatever goes wrong
afterwards are gone on with by it.
"""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

from bluegreen.cli import output
from bluegreen.cli.boundary import guarded
from bluegreen.cli.clock import utc_now
from bluegreen.cli.show import show_done
from bluegreen.cli.signals import Signals
from bluegreen.domain.words import counted, migration_stays, signal_came
from bluegreen.errors import OF_MACHINE, BluegreenError, ExitCode, of_machine
from bluegreen.frontdoor import control, disk, route, seal, text
from bluegreen.probe.one import probe
from bluegreen.state import holder
from bluegreen.state.folder import find

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

VALUED = ("-f", "--file", "-p", "--project-name")
CONFIRM_TRIES = 3  # questions to nginx, which looks at the route at each; the full story asks for longer
WORTH_A_THREAD = 0.03  # seconds that probes in turn may take before they are made at the same time


def run(arguments: Sequence[str]) -> int | None:
    """The exit code of a flip-back; None: it is for the full story, and nothing has moved."""
    typed = _read(arguments)
    try:
        found = _find(typed) if typed else None
        lock = _lock(found.state) if found else None
    except (OSError, ValueError):  # the full command meets it again, and says what it is
        return None
    if typed is None or found is None or lock is None:
        return None
    signals = Signals()
    try:
        with signals.listening():
            quick = Quick(typed, found, lock, signals)
            return guarded(quick.run, typed.json, quick.command) or 0
    except _Unusual:
        return None
    finally:
        holder.write(lock, None)
        os.close(lock)


class _Unusual(BaseException):
    """Nothing has moved, and the full story has to look."""


def _read(arguments: Sequence[str]) -> Any:
    """What was typed: global options, then `flip-back`, then nothing but --json. None: something else."""
    words = list(arguments)
    place = words.index("flip-back")
    before, after = words[:place], words[place + 1 :]
    pairs = list(zip(before[::2], before[1::2], strict=False))
    if len(before) % 2 or any(key not in VALUED or value.startswith("-") for key, value in pairs):
        return None
    if after not in ([], ["--json"]):
        return None
    files = [value for key, value in pairs if key in VALUED[:2]]
    names = [value for key, value in pairs if key in VALUED[2:]]
    return SimpleNamespace(files=files, name=names[-1] if names else None, json=bool(after))


def _find(typed: Any) -> Any:
    """The app and what its file and nginx say, if all of it is as usual; None: it is not."""
    state = find(typed.files, typed.name, os.environ)
    routing = text.header(disk.read(f"{state}/nginx") or "") if state else None
    if state is None or routing is None or not _mine(state):
        return None
    answer, named = control.ask(f"{state}/run"), route.read(f"{state}/nginx")
    unusual = os.path.lexists(f"{state}/nginx/{disk.SUCCEEDING}") or route.share(f"{state}/nginx")
    if unusual or not usual(routing, answer, named) or typed.name not in (None, routing["app"]):
        return None
    return SimpleNamespace(state=state, routing=routing, answer=answer, live=routing["live"])


def _mine(state: str) -> bool:
    """Whether the state folder is this user's and nobody else's to read; the full command repairs what is not."""
    found = os.stat(state)
    return found.st_uid == os.geteuid() and found.st_mode & 0o777 == 0o700


def usual(routing: dict[str, Any], answer: dict[str, Any] | None, named: str | None) -> bool:
    """Whether a file, nginx's answer and the route agree on everything, and on a release that may be gone back to.

    Stricter than the plan of a flip-back: what it lets through, the plan has no objection to.
    """
    try:
        live = routing["live"]
        leaving, slot = routing["slots"][live], routing["slots"][route.OTHER[live]]
        same = answer and (answer["app"], answer["generation"]) == (routing["app"], routing["generation"])
        going_back = leaving["release"] > slot["release"] and leaving["migrated"] and not leaving["reversible"]
        reached = all(slot["addresses"][it["service"]] and _whole(it["health"]) for it in slot["routes"])
        later = complete(routing, leaving, slot)  # all that is asked for once traffic has moved
        agreed = answer and answer["live"] == answer["default"] == live and named in (live, route.NOBODY)
        return bool(same and agreed and routing["standing"] == "previous" and reached and later and not going_back)
    except (KeyError, TypeError):
        return False


def _whole(policy: dict[str, Any]) -> bool:
    """Whether all that a probe sends is written down; a header whose value is a secret is not."""
    headers = policy.get("request_headers") or {}
    return bool(policy["path"]) and not any("\0" in value for value in headers.values())


def complete(routing: dict[str, Any], leaving: dict[str, Any], slot: dict[str, Any]) -> bool:
    """Whether everything is there that is looked at after the rename. Raises KeyError and TypeError."""
    texts = [it["service"] for it in slot["routes"]]
    numbers = [leaving["release"], slot["release"]]
    lists = [slot["jobs"], leaving["jobs"], routing["hooks"]]
    return (
        all(type(it) is str for it in (*texts, routing["app"]))
        and all(type(it) is int for it in numbers)
        and all(type(it) in (list, tuple) for it in lists)
        and type(routing["preview"]) in (str, type(None))
        and type(routing["failover"]) is bool
    )


def _lock(state: str) -> int | None:
    """The lock, if it is free and the one before has ended as it should."""
    try:
        left = holder.read(state)
        descriptor = holder.take(state) if left is None else None
    except OSError:
        return None
    if descriptor is not None:
        holder.write(descriptor, holder.me("flip-back", utc_now()))
    return descriptor


class Quick:
    """One flip-back, from the first probe to the last word."""

    def __init__(self, typed: Any, found: Any, lock: int, signals: Signals) -> None:
        self.typed, self.lock, self.signals = typed, lock, signals
        self.state, self.routing, self.live, self.answer = found.state, found.routing, found.live, found.answer
        self.nginx, self.sockets = f"{self.state}/nginx", f"{self.state}/run"
        self.target, self.slot = route.OTHER[self.live], self.routing["slots"][route.OTHER[self.live]]
        self.since = self.instead = ""
        self.moment = (0.0, 0.0)  # when the rename began, and ended
        self.steps: list[dict[str, Any]] = []

    def run(self) -> int:
        """Returns the exit code. Raises _Unusual while nothing has moved."""
        try:
            self._step("prepare", "health", self._health)
        except BluegreenError:  # a signal
            raise
        except Exception:  # noqa: BLE001 - whatever it is, nothing has moved, and the full story says it
            raise _Unusual from None
        output.note(output.headline("flip-back", self.target, self.slot["release"]))
        output.note(output.line(self.steps[0]))
        self.phase("cutover")
        self.signals.hold()
        self._step("cutover", "route", self._turn)
        try:
            return self._finish()
        except (*OF_MACHINE, TypeError) as error:  # a file of another shape, a full machine: left to the next command
            return _broken_off(self, error)

    def _finish(self) -> int:
        confirmed = self._step("cutover", "confirm", self.confirm)
        self.steps[-1]["detail"] = confirmed or self.instead
        for done in self.steps[1:]:
            output.note(output.line(done))
        if not confirmed:
            return self._go_on(self.instead)
        self.phase("settle")
        return self._go_on() if _more_to_do(self) or not _reached(self.routing, self.slot) else self._settle()

    # -- the steps

    def _health(self) -> str:
        targets = [
            ((address, it["port"]), it["host"], SimpleNamespace(**it["health"]))
            for it in {it["service"]: it for it in self.slot["routes"]}.values()
            if it["port"]
            for address in self.slot["addresses"][it["service"]]
        ]
        began = time.monotonic()
        wrong = [self._probe(target) for target in targets[:1]]
        slow = (time.monotonic() - began) * len(targets[1:]) > WORTH_A_THREAD
        if slow:
            from bluegreen.probe.once import reasons  # takes longer to load than quick probes take in turn

            wrong += reasons(self.sockets, targets[1:])
        else:
            wrong += [self._probe(target) for target in targets[1:]]
        if any(wrong):
            raise _Unusual
        return counted(len(targets), "replica")

    def _probe(self, target: Any) -> str | None:
        at, host, policy = target
        return probe(self.sockets, at, host, policy, policy.path)

    def _turn(self) -> str:
        self.since = utc_now()
        if not holder.on_disk(self.state, self.lock):
            raise _Unusual  # somebody took the lock's file away; the full story takes the one that is there
        began = time.time()
        try:
            route.turn(self.nginx, self.target)
        except OSError:
            if route.read(self.nginx) != self.target:
                raise _Unusual from None
        self.moment = (began, time.time())
        return f"renamed to {self.target}"

    def confirm(self) -> str:
        for _ in range(CONFIRM_TRIES):
            answer = control.ask(self.sockets)
            if answer and answer["live"] == self.target:
                return f"nginx answers {self.target}"
            says = answer["live"] or "no color" if answer else "nothing"
            self.instead = f"nginx answers {says} on its control socket instead of {self.target}"
        return ""

    def _seal(self) -> str:
        content = disk.read(self.nginx, disk.stored_name(self.target)) or ""
        return f"generation {seal.begin(self.nginx, self.sockets, content, self.since, self._hup)}, begun"

    def _hup(self) -> None:
        if not seal.hup_master(self.sockets):
            raise OSError("nginx's master cannot be signalled")

    # -- what comes after

    def _settle(self) -> int:
        from bluegreen.state import database

        db = database.Database(self.state, utc_now, lambda words: output.note(f"Note: {output.clean(words)}"))
        if database.unfinished(db):
            db.close()
            return self._go_on()
        try:
            self._step("settle", "seal", self._seal)
        except OSError:  # the disk, or the signal: the full story knows what to say
            db.close()
            return self._go_on()
        self._step("settle", "record", lambda: f"release {self.slot['release']}")
        for done in self.steps[-2:]:
            output.note(output.line(done))
        found: Any = self.result()
        moved = (("flip-back", self.live, self.target), self.routing["slots"], self.moment)
        database.record(db, ("flip-back", self.slot["release"], self.target), self.steps, found["outcome"], moved)
        db.close()
        if os.path.lexists(f"{self.nginx}/route/closed"):
            output.note(f"Note: Visitors get 503 (maintenance). To open: {self.command()} maintenance off")
        return show_done(found, self.command(), self.routing["preview"], self.typed.json)

    def result(self) -> dict[str, Any]:
        left = self.routing["slots"][self.live]
        return {
            "outcome": "flipped-back",
            "live": {"color": self.target, "release": self.slot["release"]},
            "previous": {"color": self.live, "release": left["release"]},
            "steps": self.steps, "error": None, "message": "",
            "warnings": [*_of_migration(left, self.slot), *_of_signal(self.signals.asked)],
            "next": None, "shares": {self.target: 100},
        }  # fmt: skip

    def _go_on(self, wrong: str = "") -> int:
        """Hands over to the full story, with what was done so far; `wrong`: why traffic has to be moved back."""
        from bluegreen.cli.resume import resume

        return resume(self, wrong)

    # -- small parts

    def command(self) -> str:
        words = [word for file in self.typed.files for word in ("-f", file)]
        words += ["-p", self.typed.name] if self.typed.name else []
        if not words:
            return "bluegreen"
        from shlex import join

        return f"bluegreen {join(words)}"

    def phase(self, name: str) -> None:
        holder.write(self.lock, {**holder.me("flip-back", self.since or utc_now()), "phase": name})

    def _step(self, phase: str, name: str, action: Callable[[], str]) -> str:
        began = time.monotonic()
        detail = action()
        self.steps.append(
            {
                "phase": phase, "step": name, "color": None if name == "record" else self.target,
                "seconds": round(time.monotonic() - began, 4), "outcome": "done" if detail else "failed",
                "detail": detail,
            }
        )  # fmt: skip
        return detail


def _broken_off(quick: Quick, error: Exception) -> int:
    """Something was refused after the rename: says where traffic is, by nginx's own answer."""
    why = of_machine(error).failed if isinstance(error, OF_MACHINE) else str(error)
    if not quick.confirm():
        raise BluegreenError(
            "It is not known where traffic goes.", code="traffic-unknown", failed=f"{why}; {quick.instead}",
            expected=f"nginx to answer {quick.target}", traffic="unknown; look now",
            retry="not before you looked", exit_code=ExitCode.UNKNOWN,
        ) from None  # fmt: skip
    found = quick.result()
    words = f"what comes after is not complete ({why}); the next command goes on with it"
    found["warnings"].append(f"Traffic is back; {words}.")
    return show_done(found, quick.command(), quick.routing["preview"], quick.typed.json)


def _more_to_do(quick: Quick) -> bool:
    jobs = quick.slot["jobs"] or quick.routing["slots"][quick.live]["jobs"]
    ready = text.header(disk.read(quick.nginx, disk.stored_name(quick.target)) or "")
    same = ready is not None and ready.get("slots") == quick.routing["slots"]
    return bool(jobs or quick.routing["hooks"] or quick.routing["failover"] or not same)


def _reached(routing: dict[str, Any], slot: dict[str, Any]) -> bool:
    """Whether nginx answers where visitors come; if not, the full story says so."""
    from bluegreen.probe import public

    first = slot["routes"][0]
    return not public.silent(routing["listen"], first["host"], first["health"]["path"], patience=0.0)


def _of_migration(left: dict[str, Any], slot: dict[str, Any]) -> list[str]:
    stays = left["migrated"] and left["release"] > slot["release"]
    return [migration_stays(left["release"], slot["release"])] if stays else []


def _of_signal(asked: str | None) -> list[str]:
    return [signal_came(asked, "flip-back")] if asked else []
