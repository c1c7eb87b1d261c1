"""The front door as the stories change it: texts that lie ready, the loaded file, and the route."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bluegreen.domain.color import Color
from bluegreen.errors import COMMAND, BluegreenError
from bluegreen.frontdoor import text
from bluegreen.frontdoor.change import Change, NotConfirmed
from bluegreen.frontdoor.files import Files
from bluegreen.frontdoor.route import ALL, CONF

TYPE_CHECKING = False  # as typing's, which flip-back does not wait for
if TYPE_CHECKING:
    from bluegreen.domain.world import NewNginx

Run = Callable[[Sequence[str]], tuple[int, str]]
Succeed = Callable[["NewNginx", str, Color | None, str], int]


class Door:
    """One app's front door. `run` runs a command in the proxy; `sees` says whether it has our folders mounted."""

    def __init__(self, files: Files, change: Change, run: Run, sees: Callable[[], bool], succeed: Succeed) -> None:
        self._files, self._change, self._run, self._sees, self._succeed = files, change, run, sees, succeed

    def first(self, content: str, generation: int, since: str) -> None:
        """The file for an nginx that does not run yet."""
        self._files.write(text.activate(content, generation, since))

    def differs(self, content: str, generation: int, since: str) -> bool:
        """Whether the file that is there is another than this text would give."""
        return text.activate(content, generation, since) != self._files.loaded_text()

    def test(self, contents: Sequence[str], run: Run | None = None) -> None:
        """`nginx -t` on rendered texts, in the running proxy or by `run`. Raises BluegreenError with nginx's words."""
        names = self._files.candidates(list(contents))
        script = 'for file in "$@"; do nginx -e /dev/stderr -t -c "$file" || exit 1; done'
        try:
            code, output = (run or self._run)(["sh", "-c", script, "sh", *(f"{CONF}/{name}" for name in names)])
        finally:
            self._files.forget(names)
        if code and not run and not self._sees():
            raise BluegreenError(
                "nginx does not see the folder of the rendered file.", code="proxy-folder-replaced",
                failed="the folder was deleted and recreated while the proxy ran",
                expected="the folder that it has mounted",
                retry="safe, after up", next=f"{COMMAND} up (restarts the proxy: a moment without answers)",
            )  # fmt: skip
        if code:
            lines = [line for line in output.splitlines() if "[emerg]" in line] or output.splitlines()
            raise BluegreenError(
                "nginx refuses the new configuration.",
                code="nginx-config-invalid",
                failed=lines[0].partition("] ")[2] or lines[0] if lines else f"nginx -t ended with {code}",
                expected="a file that nginx -t accepts (your own snippets in proxy.include are part of it)",
                retry="safe, after the cause is fixed",
                lines=output.splitlines()[-5:],
            )

    def load(self, content: str, live: Color | None, since: str) -> int:
        """Has nginx load a text that leaves `live` as it is; returns its generation. Raises BluegreenError."""
        try:
            return self._change.load(content, live, since)
        except NotConfirmed as error:
            raise _not_loaded(error) from None

    def succeed(self, new: NewNginx, content: str, live: Color | None, since: str) -> int:
        """Another nginx loads a text and takes over; returns its generation. Raises BluegreenError."""
        try:
            return self._succeed(new, content, live, since)
        except NotConfirmed as error:
            raise _not_loaded(error) from None

    def store(self, directions: dict[Color, str]) -> None:
        """The texts that make a color the file's own default; absent ones are removed."""
        self._files.store(directions)

    def stored(self, color: Color) -> bool:
        """Whether the text for a color lies ready."""
        return self._files.stored(color) is not None

    def turn(self, color: Color | None, percent: int = ALL, keep: bool = False) -> None:
        """So many percent of public traffic to this color, all else to the other one, by one rename.

        `keep`: the share of a canary beside this color stays. Raises BluegreenError: nothing was moved, or ask nginx.
        """
        self._files.turn(color, percent, keep)

    def confirm(self, color: Color | None, percent: int = ALL) -> str | None:
        """None when nginx answers by the route with this share; else what it answers instead."""
        try:
            self._change.confirm_route(color, percent)
        except NotConfirmed as error:
            return str(error)
        return None

    def seal(self, color: Color, since: str, wait: bool = True) -> int:
        """Makes what is live the loaded file's own default; returns its generation. Raises BluegreenError."""
        try:
            return self._change.seal(color, since, wait)
        except NotConfirmed as error:
            raise _not_loaded(error) from None

    def tidy(self) -> None:
        """Removes what a killed command may have left half-made."""
        self._files.tidy()


def _not_loaded(error: NotConfirmed) -> BluegreenError:
    return BluegreenError(
        "nginx did not load its new file.", code="nginx-not-reloaded", failed=str(error),
        expected="nginx to answer with the file it was given", retry="safe",
    )  # fmt: skip
