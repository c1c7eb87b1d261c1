"""Checks the files before Compose reads them: they are read several times."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from shlex import quote

from bluegreen.compose.options import Options, env_files, files
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.files import Unfit, refuse_other


def refuse_pipes(options: Options, folder: Path) -> None:
    """Refuses pipes: Compose would wait for ever. Raises BluegreenError."""
    here = Path.cwd()
    read = (*files(options, here, os.environ), *env_files(options, here, str(folder), os.environ))
    for name in (*read, str(folder / ".env")):
        try:
            mode = os.stat(name).st_mode
            if stat.S_ISFIFO(mode):  # Compose itself refuses the rest; /dev/null is allowed, many use it
                refuse_other(name, mode)
        except Unfit as error:
            raise BluegreenError(
                f"{name} is not a file.", code="not-a-file",
                failed=str(error.strerror), expected="a regular file, which can be read again",
                retry="safe, after that is fixed", next=f"ls -l {quote(name)}", exit_code=ExitCode.USAGE,
            ) from None  # fmt: skip
        except (OSError, ValueError):
            continue  # it is missing, or this user may not read it: Compose says so
