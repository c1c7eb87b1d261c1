"""`make demo`: the main job on the example, under load, shown as it happens, with a verdict."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.load import Load
from tests.support.machine import BIN, EXAMPLE, free_port
from tests.support.project import Project, leftovers

MIX = {"get": 60, "patient": 10, "api": 10, "post": 10, "fresh": 4, "slow": 3, "upload": 1, "events": 2, "socket": 2}


def say(text: str) -> None:
    print(text, flush=True)


def show(project: Project, *arguments: str, **more: str) -> float:
    """Runs a verb with its output as a person sees it; returns its seconds. Ends the demo if it fails."""
    changes = " ".join(f"{name}={value}" for name, value in more.items())
    say(f"\n$ {changes + ' ' if changes else ''}bluegreen {' '.join(arguments)}")
    began = time.monotonic()
    code = subprocess.run(
        [str(BIN / "bluegreen"), *arguments], cwd=project.folder, env=project.environment(more), check=False
    ).returncode
    if code:
        say(project.logs())
        raise SystemExit(f"demo: bluegreen {arguments[0]} ended with {code}")
    return time.monotonic() - began


def show_https(project: Project, folder: Path) -> str:
    """The same app by HTTPS, with a certificate of a real ACME server; what was seen, in words."""
    if not shutil.which("pebble"):
        return "no HTTPS shown: pebble is not installed"
    from tests.support.pebble import pebble

    say("\ndemo: HTTPS, with a certificate of an ACME server for tests (pebble)")
    with pebble(folder / "pebble", project.port) as ca:
        tls = free_port()
        project.variables |= {
            "SHOP_HOST": "localhost", "ACME_EMAIL": "ops@example.com", "ACME_DIRECTORY": ca.directory,
            "ACME_CA": str(ca.ca), "ACME_PORT": str(project.port), "SHOP_TLS": f"127.0.0.1:{tls}",
        }  # fmt: skip
        files = ("-f", "compose.yaml", "-f", "https.yaml")
        show(project, *files, "up", GREETING="Good-evening")
        show(project, *files, "switch", GREETING="Good-night")
        show(project, *files, "tls")
        trusting = ssl.create_default_context(cadata=ca.root())
        with Load(tls, {"get": 20, "fresh": 2}, tls=trusting) as load:
            time.sleep(1)
            show(project, *files, "flip-back")
            time.sleep(1)
        if load.tally.lost:
            raise SystemExit(f"demo: FAILED: lost over HTTPS: {load.tally.why()}")
        return f"{len(load.tally.answers)} answers over HTTPS, 0 lost"


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="bluegreen-demo-"))
    shutil.copytree(EXAMPLE, folder / "shop", ignore=shutil.ignore_patterns(".bluegreen", "__pycache__"))
    project = Project(folder / "shop", (EXAMPLE / "compose.yaml").read_text())
    project.variables["WEB_REPLICAS"] = "2"
    say(f"demo: the example of compose/example on http://127.0.0.1:{project.port}/")
    seconds: dict[str, float] = {}
    try:
        seconds["up"] = show(project, "up")
        say(f"\ndemo: {sum(MIX.values())} clients start: pages, orders, uploads, 5 s answers, events, WebSockets")
        with Load(project.port, MIX) as load:
            time.sleep(2)
            seconds["switch"] = show(project, "switch", GREETING="Good-morning")
            time.sleep(2)
            seconds["flip-back"] = show(project, "flip-back")
            time.sleep(2)
            show(project, "prepare", GREETING="Good-evening")
            seconds["switch to the prepared"] = show(project, "switch", GREETING="Good-evening")
            show(project, "status")
            time.sleep(2)
        tally = load.tally
        status, style = project.get("/static/shop.css")
        say(f"\ndemo: /static/shop.css, which nginx serves itself: {status}, {len(style)} bytes")
        secure = show_https(project, folder)
        show(project, "down", "--yes", "--volumes")
    finally:
        project.clean()
        shutil.rmtree(folder, ignore_errors=True)
    colors = ", ".join(f"{color} {count}" for color, count in sorted(tally.colors().items()))
    times = ", ".join(f"{verb} {value:.2f} s" for verb, value in seconds.items())
    wrong = bool(tally.lost) or set(tally.colors()) != {"blue", "green"} or bool(leftovers(project.name))
    verdict = "FAILED" if wrong else "well"
    say(f"\ndemo: {verdict}: {len(tally.answers)} answers ({colors}), {len(tally.lost)} lost; {secure}; {times}")
    if tally.lost:
        say(f"demo: lost: {tally.why()}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
