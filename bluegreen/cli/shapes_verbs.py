"""The documents of each verb with `--json`, made of `shapes`."""

from __future__ import annotations

from typing import Any

from bluegreen.cli.shapes import (
    CLOSED,
    COLOR,
    DIALECT,
    LINE,
    SERVES,
    SHARED,
    Shape,
    flag,
    integer,
    listed,
    mapped,
    moment,
    names,
    null_or,
    ref,
    seconds,
    text,
    thing,
)
from bluegreen.cli.shapes_traffic import FOUND, QUESTIONS, RECEIPT, THEN
from bluegreen.domain.differing import KINDS

STATUS = thing(SERVES["description"], {**SERVES["properties"], "questions": QUESTIONS})
APPS = thing("All apps on this server.", {
    "apps": listed("The apps.", thing("An app.", {
        "app": text("Its name."), "folder": null_or(text("The folder that it was made from.")),
        "live": null_or(ref("release", "What serves.")), "urls": names("Where visitors reach it."),
        "owner": text("The user whose it is."), "state": text("Its state folder."),
        "running": flag("Whether its nginx answers."), "problem": null_or(text("Why it could not be looked at.")),
        "names": names("The hosts that it answers; none: it answers any."),
        "listen": names("[ADDRESS:]PORT where visitors come in."),
        "edge": null_or(text("The edge through which visitors come.")),
        "certificate_days": null_or(integer("Days until its first certificate ends; null: no TLS.")),
    })),
    "edges": listed("The edges of this server.", thing("An nginx in front of several apps.", {
        "name": text("Its name."), "listen": names("Where it is published."), "running": flag("Whether it answers."),
        "nginx": null_or(text("Its version.")), "owner": text("The user whose it is."), "state": text("Its folder."),
        "apps": listed("Who is on it.", thing("An app.", {
            "app": text("Its name."), "folder": text("Its folder."), "names": names("What it has claimed."),
        })), "problem": null_or(text("Why it could not be looked at.")),
    })),
    "notes": names("What could not be looked at."),
})  # fmt: skip
CHECK = thing("Whether a release is possible now.", {
    "ready": flag("Whether nothing failed."), "findings": listed("What was checked.", ref("finding", "A finding.")),
    "plan": null_or(ref("plan", "What the next switch would do.")),
})  # fmt: skip
COMPARED = thing("How a color's answers compare with the recorded ones.", {
    "color": COLOR, "release": integer("Its release."), "ok": flag("Whether all are as recorded."),
    "answers": listed("The recorded requests.", ref("answers", "A request.")),
})  # fmt: skip
TIMES = thing("How long answers took.", {"p50": seconds("The median."), "p95": seconds("The 95th percentile.")})
BESIDE = thing("How the idle release answers recent requests, beside the live one.", {
    "live": ref("release", "The live release."), "idle": ref("release", "The idle release."),
    "standing": text("What the idle release is.", "previous", "prepared"),
    "read": integer("Requests of nginx's log that were looked at."), "compared": integer("How many were compared."),
    "differ": integer("How many of them differ."), "complete": flag("Whether there was time for all that were chosen."),
    "ok": flag("Whether no more differ than compare.fail allows."), "summary": text("The result in one line."),
    "routes": listed("The routes; those that differ most come first.", thing("A route.", {
        "route": text("Method and path; * is a part that names one thing."), "compared": integer("Its requests."),
        "differ": integer("How many of them differ."),
        "differences": listed("The most frequent first.", thing("A kind of difference.", {
            "kind": text("Its kind.", *KINDS), "where": text("The key of the JSON or the header; empty: all of it."),
            "count": integer("How many requests have it."), "words": text("What they do, in a phrase."),
            "example": text("The path of one, without the values of its parameters."),
        })),
    })),
    "not_reached": mapped("Routes that could not be compared, and why.", {"type": "string"}),
    "left_out": mapped("Why requests were not asked again, and how many.", {"type": "integer"}),
    "seconds": thing("How long the answers took.", {
        "live": null_or(TIMES), "idle": null_or(TIMES),
    }),
})  # fmt: skip
RECORDED = thing("What was recorded.", {
    "file": text("The file."), "recorded": names("The requests."), "all": integer("How many the file has now."),
    "notices": names("What else to know."),
})  # fmt: skip
DECISION = thing("A choice and its reason.", {"key": text("What was chosen."), "why": text("The choice, and why.")})
PROPOSED = thing("The block that init proposes.", {
    "file": text("The Compose file."),
    "block": null_or({"type": "object", "description": "The block; null: none, or there is one already."}),
    "decisions": listed("Its choices.", DECISION), "advice": names("What stays for a person to do."),
}, {
    "question": null_or(thing("What init cannot decide.", {
        "words": text("The question."), "choices": names("The services to choose from."),
    })),
    "write_also": thing("What --write changes, other than the block.", {
        "take_out": names("SERVICE.KEY that it takes out."),
        "rename": mapped("Services that get another name.", {"type": "string"}),
        "delete": names("Services that it takes out."),
    }),
    "profiles": ref("profiles", "What --write did about profiles."),
})  # fmt: skip
FILES = thing("The files of a project without a Compose file.", {
    "file": text("The Compose file."), "decisions": listed("Its choices.", DECISION),
    "advice": names("What stays for a person to do."), "dockerignore": names("Lines that .dockerignore gets."),
}, {"written": names("Files that were written."), "would_write": names("Files that --write writes.")})  # fmt: skip
FIGURES: dict[str, Shape] = {
    "switch_seconds": null_or(seconds("From the start of a switch until traffic had moved.")),
    "flip_back_seconds": null_or(seconds("The same of a flip-back.")),
    "migration_seconds": null_or(seconds("The migration.")),
}
REHEARSED = thing("What a rehearsal showed.", {
    "outcome": text("How it ended.", "passed", "failed"), "from": null_or(integer("The release that it began with.")),
    **FIGURES,
    "requests": thing("The small load during it.", {
        "answered": integer("Requests with an answer."), "lost": integer("Requests without one."),
        "why": mapped("Why, and how many.", {"type": "integer"}),
    }),
    "way_back": text("Whether the flip-back worked.", "proven", "not proven"),
    "expected": thing("The recorded answers.", {
        "asked": integer("How many were asked."), "differ": listed("Those that differ.", ref("answers", "A request.")),
        "cannot_be_compared": names("Requests that need data which the rehearsal does not have."),
    }),
    "error": null_or(ref("error", "What failed.")),
    "failed_verb": null_or(text("The command that failed.", "up", "switch", "flip-back")),
    "production": thing("The last figures of production.", {
        "release": null_or(integer("The live release.")), **FIGURES,
    }),
    "left_out": names("What a rehearsal leaves out."),
})  # fmt: skip
RUN = thing("A migration or a hook.", {
    "kind": text("migrate, or the hook's name."), "name": text("The service or the program."),
    "started": moment("When it started."), "ended": null_or(moment("When it ended.")),
    "outcome": text("done, failed, or never ended."), "code": null_or(integer("Its exit code.")),
    "output": text("Its last output, without secrets."),
})  # fmt: skip
SHOWN = thing("One release.", {
    **LINE,
    "images": mapped("The image of each service.", thing("An image.", {
        "ref": text("Its name in the Compose file."), "id": text("Its id on this server."),
        "ours": flag("Whether it was built here."), "content": text("A hash of what is in it."),
    })),
    "figures": mapped("Seconds of each step; `seconds`: of all.", {"type": "number"}),
    "runs": listed("Its migration and hooks.", RUN), "receipts": listed("Moves of traffic to it.", RECEIPT),
})  # fmt: skip

HISTORY = thing("The releases.", {"releases": listed("Newest first.", thing("A release.", LINE))})
MAINTENANCE = thing("Whether the app is closed.", {"app": text("The app's name."), "closed": null_or(CLOSED)})
TLS = thing("The certificates.", {
    "app": text("The app's name."), "names": listed("The names.", ref("certificate", "A name.")),
    "done": listed("What renew did.", thing("A name.", {
        "name": text("The name."), "outcome": text("What came of it.", "renewed", "kept", "waiting", "failed"),
        "detail": text("More of it, in a phrase."),
    })),
})  # fmt: skip
TIMER = thing("What renews certificates.", {"app": text("The app's name."), "timer": thing("The timer.", {
    "installed": flag("Whether its units were written and it runs."), "folder": text("Where the units belong."),
    "units": mapped("The systemd units, by name.", {"type": "string"}), "cron": text("The same as a line for cron."),
})})  # fmt: skip
ACTS: dict[str, Shape | str] = {"result": "What was done.", "plan": "With --dry-run."}
VERBS: dict[str, dict[str, Shape | str]] = {
    "apps": {"apps": APPS}, "check": {"check": CHECK}, "compare": {"comparison": BESIDE},
    "expect": {"compared": COMPARED, "recorded": RECORDED},
    "history": {"history": HISTORY},
    "init": {"proposed": PROPOSED, "files": FILES}, "rehearse": {"rehearsed": REHEARSED}, "show": {"shown": SHOWN},
    "status": {"status": STATUS, "then": THEN}, "why": {"found": FOUND}, "maintenance": {"maintenance": MAINTENANCE},
    "tls": {"tls": TLS, "timer": TIMER},
    "up": ACTS, "switch": ACTS, "prepare": ACTS, "promote": ACTS, "flip-back": ACTS, "down": ACTS,
}  # fmt: skip


def json_schema(verb: str) -> dict[str, Any]:
    """The JSON Schema of what this verb prints with --json. Raises KeyError: it prints none."""
    documents = VERBS[verb]
    defs = {**SHARED, **{name: shape for name, shape in documents.items() if not isinstance(shape, str)}}
    wanted, there = [*documents, "failure"], {}
    while wanted:
        name = wanted.pop()
        if name not in there:
            there[name] = defs[name]
            wanted += _named(defs[name])
    return {
        "$schema": DIALECT, "title": f"bluegreen {verb} --json",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in (*documents, "failure")],
        "$defs": {name: there[name] for name in defs if name in there},
    }  # fmt: skip


def _named(shape: object) -> list[str]:
    """The definitions that a shape refers to."""
    if isinstance(shape, dict):
        own = [str(shape["$ref"]).rpartition("/")[2]] if "$ref" in shape else []
        return own + [name for value in shape.values() for name in _named(value)]
    return [name for value in shape for name in _named(value)] if isinstance(shape, list) else []
