"""What Compose is to read, looked at before: it is read several times."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from shlex import quote

from bluegreen.compose.options import Options, env_files, files
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import Unfit, refuse_other


def refuse_pipes(options: Options, folder: Path) -> None:
    """At a pipe Compose would wait for ever. Raises BluegreenError."""
    here = Path.cwd()
    read = (*files(options, here, os.environ), *env_files(options, here, str(folder), os.environ))
    for name in (*read, str(folder / ".env")):
        try:
            mode = os.stat(name).st_mode
            if stat.S_ISFIFO(mode):  # what else is no file Compose names itself; /dev/null is a habit
                refuse_other(name, mode)
        except Unfit as error:
            raise BluegreenError(
                f"{name} is not a file.", code="not-a-file",
                failed=str(error.strerror), expected="a file that can be read again",
                retry="safe, after that is fixed", next=f"ls -l {quote(name)}", exit_code=ExitCode.USAGE,
            ) from None  # fmt: skip
        except (OSError, ValueError):
            continue  # it is not there, or not for this user: Compose knows what that means
