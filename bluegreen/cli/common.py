"""What several verbs do at their end, or when there is no app yet."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from bluegreen import files
from bluegreen.cli import output, report
from bluegreen.cli.app import App
from bluegreen.cli.show import show_result
from bluegreen.domain.app import Settings
from bluegreen.errors import BluegreenError, ExitCode
from bluegreen.flow.values import Result, Tools
from bluegreen.state import holder
from bluegreen.state.folder import of_folder

SHOWN = "shown"  # in the state folder: the notices of the last up
HTTP = 80  # the port that an http URL need not name


def note_if_closed(app: App) -> None:
    """Whoever acts on an app that is closed for visitors is to know."""
    from bluegreen.frontdoor.closed import is_closed

    if is_closed(str(app.state / "nginx")):
        output.note(f"Note: Visitors get 503 (maintenance). To open: {app.command} maintenance off")


def show(result: Result, app: App, json_: bool) -> int:
    note_if_closed(app)
    first = result.outcome == "switched" and result.previous is None
    preview = app.routing.preview if app.routing else None
    return show_result(result, app.command, preview, json_, addresses(app.stack.settings) if first else ())


def addresses(settings: Settings) -> list[str]:
    """Where a browser finds each routed service, by its host and path."""
    found = []
    secure = _secure(settings) if settings.tls else {}
    for route in (it for it in settings.routes if it.public):
        host = route.host.replace("*", "any") if route.host else ""
        if base := secure.get(route.host or ""):
            found.append(f"{base}{route.path}")
            continue
        for listen in settings.visited():
            name = host or ("localhost" if not listen.address or is_any(listen.address) else listen.address)
            found.append(f"http://{name}{'' if listen.port == HTTP else f':{listen.port}'}{route.path}")
    return list(dict.fromkeys(found))


def _secure(settings: Settings) -> dict[str, str]:
    """The https URL of each host that has a certificate, without a path."""
    from bluegreen.domain.tls import PORT, certificates, covering, hosts

    names, at = certificates(settings), settings.tls.listen if settings.tls else ()
    port = min((it.port for it in at), key=lambda port: (port != PORT, port))
    end = "" if port == PORT else f":{port}"
    return {host: f"https://{host.replace('*', 'any')}{end}" for host in hosts(settings) if covering(names, host)}


def is_any(address: str) -> bool:
    return address.strip("[]") in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


def show_plan(plan: Any, json_: bool, notices: tuple[str, ...] = ()) -> int:
    if json_:
        output.as_json({**plan.as_dict(), "notices": list(notices)})
    else:
        output.result(report.plan_text(plan, notices))
    return 0


def notices(tools: Tools, notices: tuple[str, ...]) -> None:
    for notice in notices:
        tools.show.notice(notice)


def new_notices(app: App, tools: Tools, said: tuple[str, ...]) -> None:
    """Those that the last `up` has not shown: what a person has read three times is not read any more."""
    place = app.state / SHOWN
    try:
        told = files.text(str(place)).splitlines()
    except OSError:
        told = []
    notices(tools, tuple(words for words in said if words not in told))
    with contextlib.suppress(OSError):
        files.replace(str(place), "".join(f"{words}\n" for words in said).encode())


def refuse_before_up(app: App, wait: float = 0.0, live: bool = True) -> None:
    """Raises BluegreenError when no `up` has come to its end. With `wait`, one that is at work now is waited for.

    `live`: a color has to be live; else a rendered file is enough. To be asked again once the lock is held.
    """
    if app.routing is not None and (app.routing.live is not None or not live):
        return
    if not (wait and holder.read(str(app.state))):
        raise before_up(app)


def before_up(app: App) -> BluegreenError:
    from bluegreen.cli.claim import refuse_another_name

    app.running_app()  # a missing or broken Compose file is the better message
    refuse_another_name(app)
    if app.routing:
        left = app.tools(app.routing.app).journal.operations.unfinished()
        return BluegreenError(
            "Nothing is live yet.", code="nothing-live",
            failed=f"an {left.verb} (started {left.started}) never ended" if left else "no up has come to its end",
            expected="a live color", traffic="none yet", retry="safe", next=f"{app.command} up (begins it again)",
            exit_code=ExitCode.FAILED,
        )  # fmt: skip
    if app.runs():
        return BluegreenError(
            "The state folder is gone, or the rendered file in it.", code="config-missing",
            failed=f"{app.state / 'nginx' / 'nginx.conf'} is not there, and nginx runs",
            expected="the file that the last switch left", traffic="as nginx has it loaded (unchanged)", retry="safe",
            next=f"{app.command} up (makes it again from labels and nginx)", exit_code=ExitCode.FAILED,
        )  # fmt: skip
    served = [it["number"] for it in app.tools(app.stack.app).journal.releases.all() if it["outcome"] == "live"]
    if served:
        return BluegreenError(
            f"{app.stack.app} is down.", code="nothing-live",
            failed=f"release {served[0]} was the last that served, until a down",
            expected="a live color", traffic="none; what plain Compose serves is not looked at", retry="safe",
            next=f"{app.command} up (makes a first color again)", exit_code=ExitCode.FAILED,
        )  # fmt: skip
    found = [os.path.basename(state) for state in of_folder(app.stack.project_directory, app.options.files, os.environ)]
    others = f" of {app.stack.app}; this folder serves {', '.join(found)}" if found else ""
    return BluegreenError(
        "Nothing is live yet.", code="nothing-live",
        failed=f"no up has made the first color{others}", expected="a live color",
        traffic="none yet", retry="safe", next=f"{app.command} up", exit_code=ExitCode.FAILED,
    )  # fmt: skip


def stack_or_none(app: App, tools: Tools) -> Any:
    try:
        return app.stack
    except BluegreenError as error:
        tools.show.notice(f"The Compose file cannot be read ({error}), so shared services are left as they are.")
        return None
