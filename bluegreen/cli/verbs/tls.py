"""tls: certificates, looked at, renewed, and who renews them when nobody types."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from bluegreen.cli import certificates, notices, output
from bluegreen.cli.app import App
from bluegreen.cli.common import refuse_before_up
from bluegreen.cli.options import JSON, PROGRESS
from bluegreen.compose.options import Options
from bluegreen.errors import BluegreenError, ExitCode


@click.command()
@click.argument("what", type=click.Choice(["status", "renew", "timer"]), default="status")
@click.option("--now", is_flag=True, help="renew: also try what failed and waits.")
@click.option("--install", is_flag=True, help="timer: write the systemd units and start the timer.")
@JSON
@PROGRESS
@click.pass_obj
def tls(options: Options, /, what: str, now: bool, install: bool, json_: bool, progress: str) -> int:
    """Certificates: how they are, renew what is due, or set up the timer that renews them. Needs no Compose file."""
    app = App(options, output.choose(progress if what == "renew" else "none"))
    refuse_before_up(app, 0.0, live=False)
    name = app.running_app(acts=what == "renew")
    if certificates.looked_at(app.state) is None:
        raise BluegreenError(
            f"{name} has no TLS.", code="no-tls", failed="x-bluegreen has no tls, or nothing was released since",
            expected="tls: {email: you@example.com} in x-bluegreen", exit_code=ExitCode.USAGE,
            next=f"{app.command} help https",
        )  # fmt: skip
    if what == "timer":
        return _timer(app, name, install, json_)
    done, code = _renew(app, now) if what == "renew" else ([], ExitCode.DONE)
    for words in notices.of_certificates(app) if what == "renew" else ():
        output.note(f"Warning: {output.clean(words)}")
    found = {"app": name, "names": certificates.looked_at(app.state) or [], "done": done}
    if json_:
        output.as_json(found)
    else:
        output.result(said(found, app.command))
    return int(code)


def _renew(app: App, now: bool) -> tuple[list[dict[str, Any]], ExitCode]:
    from bluegreen.features.certificates.ensure import renew_files
    from bluegreen.features.certificates.renew import alone
    from bluegreen.frontdoor.folders import give_to_owner, prepare_folders

    kept = certificates.store(app.state)
    wanted = kept.wanted() or {}
    prepare_folders(app.state)
    try:
        with alone(kept) as mine:
            if not mine:
                raise BluegreenError(
                    "Another bluegreen command is renewing certificates of this app.", code="locked",
                    failed=f"{kept.folder} is locked", expected="one at a time", exit_code=ExitCode.LOCKED,
                    retry="safe", next=f"{app.command} tls",
                )  # fmt: skip
            done = [
                {"name": name, "outcome": "failed", "detail": why} for name, why in renew_files(kept, wanted)
            ]  # fmt: skip
            it = certificates.renewal(app, kept, wanted)
            done += [{"name": it.name, "outcome": it.outcome, "detail": it.detail} for it in it.renew(now)]
    finally:
        with contextlib.suppress(OSError):
            give_to_owner(app.state)
    return done, ExitCode.FAILED if any(it["outcome"] == "failed" for it in done) else ExitCode.DONE


def said(found: dict[str, Any], command: str) -> str:
    """`tls` for people."""
    renewed = [it for it in found["done"] if it["outcome"] == "renewed"]
    lines = [f"Renewed {output.clean(it['name'])}: {output.clean(it['detail'])}" for it in renewed]
    lines += [""] if lines else []
    width = max((len(it["name"]) for it in found["names"]), default=0)
    for it in found["names"]:
        lines.append(f"{output.clean(it['name']):<{width}}  {output.clean(words(it))}")
        if it["error"]:
            later = f"; next try {it['next_try']}" if it["next_try"] else ""
            lines.append(f"{'':<{width}}  last try: {output.clean(it['error'])}{later}")
    if any(it["next_try"] for it in found["names"]):
        lines += ["", f"To try now: {command} tls renew --now"]
    return "\n".join(lines)


def words(it: dict[str, Any]) -> str:
    """How one certificate is, in a phrase."""
    if it["state"] == "placeholder":
        return "no certificate yet; HTTPS shows a placeholder"
    until = f"expired on {it['expires']}" if it["state"] == "expired" else f"valid for {it['days']} days"
    renewed = f"renewed from {it['renew']}" if it["renew"] else "your files"
    return f"{until} (by {it['issuer']}, {renewed})"


def _timer(app: App, name: str, install: bool, json_: bool) -> int:
    from bluegreen.features.certificates import timer

    arguments = timer.command(name, str(app.state))
    files = timer.units(name, arguments)
    folder = timer.folder()
    if install:
        _install(app, folder, files)
    found = {
        "installed": install, "folder": str(folder), "units": files, "cron": timer.cron(arguments),
    }  # fmt: skip
    if json_:
        output.as_json({"app": name, "timer": found})
    elif install:
        output.result(f"The timer runs: bluegreen-tls-{name}.timer, in {folder}.\nTo look at it: systemctl list-timers")
    else:
        texts = [f"# {folder / unit}\n{text}" for unit, text in files.items()]
        output.result(
            "\n".join(texts) + f"\n# Without systemd, for crontab -e:\n# {found['cron']}\n"
            f"# To write and start the units: {app.command} tls timer --install"
        )
    return int(ExitCode.DONE)


def _install(app: App, folder: Any, files: dict[str, str]) -> None:
    """Raises BluegreenError where there is no systemd."""
    import os

    from bluegreen.features.certificates import timer
    from bluegreen.files import replace
    from bluegreen.host import systemd

    if not systemd.runs():
        raise BluegreenError(
            "systemd does not run here.", code="no-systemd", failed="/run/systemd/system is not there",
            expected="systemd, or a line for cron", next=timer.cron(timer.command(app.running_app(), str(app.state))),
        )  # fmt: skip
    os.makedirs(folder, 0o755, exist_ok=True)
    for unit, text in files.items():
        replace(str(folder / unit), text.encode(), 0o644)
    if failed := systemd.enable(next(unit for unit in files if unit.endswith(".timer"))):
        raise BluegreenError(
            "systemd did not start the timer.", code="no-systemd", failed=failed, expected="a timer that runs",
            retry="safe", next="systemctl daemon-reload",
        )  # fmt: skip
