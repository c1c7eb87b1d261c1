"""Start-up time is part of the product: how many modules each verb loads, held as a number that may only shrink."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

COUNT = """
import atexit, sys
def report():
    tops = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    sys.stderr.write(f"\\n{len(sys.modules)} {' '.join(sorted(tops))}")
atexit.register(report)
from bluegreen.__main__ import command
sys.exit(command(sys.argv[1:]))
"""
# Modules that the standard libraries of newer Pythons load more.
NEWER = {11: 0, 12: 0, 13: 3}.get(sys.version_info.minor, 9)
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
# Verb, most modules, and the libraries that it may use: for those that show something without an app, all of it; for
# the others what they load until they see that there is none.
VERBS = {
    "--help": (133, {"click"}),
    "--version": (125, {"click"}),
    "completion bash": (141, {"click"}),
    "status": (205, {"click"}),
    "history": (200, {"click"}),
    "show": (200, {"click"}),
    "report": (190, {"click"}),
    "metrics": (206, {"click"}),
    "logs": (202, {"click"}),
    "flip-back": (202, {"click"}),
    "help": (175, {"click"}),
    "help locked": (175, {"click"}),
    "down --yes": (200, {"click"}),
    "up": (190, {"click"}),
    "switch": (190, {"click"}),
    "prepare": (190, {"click"}),
    "promote": (190, {"click"}),
    "check": (190, {"click"}),
    "init": (207, {"click"}),  # it reads the code of several frameworks
    "schema": (
        300,
        {"click", "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"},
    ),
}
OF_PYTHON = {"_distutils_hack", "__main__", "bluegreen", "sitecustomize", "usercustomize"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_what_it_uses(verb: str, tmp_path: Path) -> None:
    most, libraries = VERBS[verb]
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *verb.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    count, *tops = done.stderr.rpartition("\n")[2].split()
    found = {top for top in tops if not top.startswith(("_", "__editable__"))} - OF_PYTHON
    assert found <= libraries, found - libraries
    assert int(count) <= most + NEWER, f"{count} modules"
