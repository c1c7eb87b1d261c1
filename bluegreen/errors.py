"""The one exception that a person may meet, and what the exit codes mean."""

from __future__ import annotations

from enum import IntEnum

COMMAND = "{bluegreen}"  # in the fields of an error: the command with the options that reach this app


class ExitCode(IntEnum):
    """Answers "is production all right?"; kept stable for scripts."""

    DONE = 0
    FAILED = 1  # traffic never moved
    USAGE = 2  # the command line, the settings or the Compose file
    BUG = 3
    MOVED_BACK = 4
    UNKNOWN = 5  # look now
    LOCKED = 75  # EX_TEMPFAIL of sysexits.h: another bluegreen acts
    INTERRUPTED = 130  # 128 + SIGINT, before cutover


class BluegreenError(Exception):
    """Raised where a failure is known, printed once by the command.

    `summary` is one sentence; the other fields are short phrases and may be empty. `traffic` is filled in
    by the operation that knows it. `lines` are the last log lines of what failed, or the single problems
    of a report. `code` names the kind; `bluegreen help CODE` prints `docs/errors/CODE.md`. What an
    application wrote may be in `failed` and `lines`: shown or kept, they are masked.
    """

    def __init__(
        self,
        summary: str,
        failed: str = "",
        expected: str = "",
        traffic: str = "",
        retry: str = "",
        next: str = "",  # noqa: A002 - the field's name, as it is printed
        exit_code: ExitCode = ExitCode.FAILED,
        lines: list[str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(summary)
        self.code = code
        self.summary, self.failed, self.expected = summary, failed, expected
        self.traffic, self.retry, self.next = traffic, retry, next
        self.exit_code = exit_code
        self.lines = [] if lines is None else lines

    def __str__(self) -> str:
        return f"{self.summary} ({_masked(self.failed)})" if self.failed else self.summary

    def complete(self, command: str = "bluegreen") -> BluegreenError:
        """Fills in what the one who raised it could leave out: nothing was moved, so a retry is safe."""
        if self.exit_code in (ExitCode.FAILED, ExitCode.USAGE, ExitCode.LOCKED, ExitCode.INTERRUPTED):
            self.traffic = self.traffic or "unchanged"
            self.retry = self.retry or "safe"
        self.next = self.next or f"{COMMAND} status"
        return self.reached_by(command)

    def reached_by(self, command: str) -> BluegreenError:
        """Puts the command that reaches this app where a field names it."""
        for name in ("summary", "failed", "expected", "traffic", "retry", "next"):
            setattr(self, name, getattr(self, name).replace(COMMAND, command))
        self.lines = [line.replace(COMMAND, command) for line in self.lines]
        return self

    def fields(self) -> dict[str, object]:
        """The same fields as the printed error, for `--json` and the journal."""
        return {
            "summary": self.summary,
            "failed": _masked(self.failed),
            "expected": self.expected,
            "traffic": self.traffic,
            "retry": self.retry,
            "next": self.next,
            "exit_code": int(self.exit_code),
            "code": self.code,
            "lines": list(map(_masked, self.lines)),
        }


def _masked(text: str) -> str:
    from bluegreen.domain.secrets import without_secrets  # a success does without

    return without_secrets(text)


ADVICE = {  # errno(3)
    "ENOSPC": "df -h; df -i (shows what is full)", "EDQUOT": "df -h; quota (shows what is full)",
    "EROFS": "mount (shows what is read-only)", "EMFILE": "ulimit -n (shows how many files may be open)",
    "ENFILE": "sysctl fs.file-nr (shows how many files are open)", "ENOMEM": "free -m (shows what memory is left)",
    "EAGAIN": "ulimit -u (shows how many processes there may be)",
}  # fmt: skip


# What is no bug of ours and no fault of an input: files, processes, memory, and modules that cannot be read.
OF_MACHINE = (OSError, ImportError, MemoryError)


def of_machine(error: Exception) -> BluegreenError:
    """What this machine refused, as the error that a person meets."""
    if isinstance(error, BluegreenError):
        return error
    import errno

    number, words, file = (getattr(error, name, None) for name in ("errno", "strerror", "filename"))
    what = ": ".join(map(str, filter(None, [words or str(error), file])))
    return BluegreenError(
        "This machine refused what the command needs.", code="machine-refused", failed=what or type(error).__name__,
        expected="files and folders that this user may use, with room for them",
        retry="safe, after the cause is fixed", next=ADVICE.get(errno.errorcode.get(number or 0, ""), ""),
    )  # fmt: skip


class Interrupted(BluegreenError):
    """The person pressed Ctrl-C, or a signal ended the command, before cutover."""
