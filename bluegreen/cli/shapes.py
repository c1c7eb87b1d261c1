"""What `--json` prints, as JSON Schema (2020-12): `bluegreen schema VERB`. Loaded only for that, and by tests.

Keys are added, never renamed or removed within a major version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Shape = dict[str, Any]


def text(words: str, *values: str) -> Shape:
    return {"type": "string", "description": words} | ({"enum": list(values)} if values else {})


def moment(words: str) -> Shape:
    return text(f"{words} ISO 8601 in UTC.")


def integer(words: str) -> Shape:
    return {"type": "integer", "description": words}


def seconds(words: str) -> Shape:
    return {"type": "number", "description": f"{words} In seconds."}


def flag(words: str) -> Shape:
    return {"type": "boolean", "description": words}


def names(words: str) -> Shape:
    return listed(words, {"type": "string"})


def listed(words: str, of: Shape) -> Shape:
    return {"type": "array", "description": words, "items": of}


def mapped(words: str, of: Shape) -> Shape:
    return {"type": "object", "description": words, "additionalProperties": of}


def ref(name: str, words: str) -> Shape:
    return {"$ref": f"#/$defs/{name}", "description": words}


def null_or(of: Shape) -> Shape:
    """The shape, or null."""
    if "$ref" in of:
        return {"anyOf": [{"$ref": of["$ref"]}, {"type": "null"}], "description": of["description"]}
    found = {**of, "type": [of["type"], "null"]}
    return found | ({"enum": [*of["enum"], None]} if "enum" in of else {})


def thing(words: str, properties: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """An object with these properties and no other. `optional` may be absent."""
    return {
        "type": "object", "description": words, "properties": {**properties, **(optional or {})},
        "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


COLOR = text("The color.", "blue", "green")
PHASES = ("prepare", "cutover", "watch", "settle", "end")
STANDINGS = ("live", "previous", "prepared", "canary", "aside")

SHARES = mapped("Percent of visitors of each color that has some, as nginx says.", {"type": "integer"})
IMAGES = mapped("The image of each service.", thing("An image.", {
    "ref": text("Its name in the Compose file."), "id": text("Its id on this server."),
}))  # fmt: skip

SHARED: dict[str, Shape] = {
    "release": thing("A release on a color.", {"color": COLOR, "release": integer("Its number.")}),
    "error": thing("What failed, as the printed error.", {
        "summary": text("One sentence."), "failed": text("What failed."), "expected": text("What was expected."),
        "traffic": text("What serves now."), "retry": text("Whether the same command may be typed again."),
        "next": text("What to type next."), "exit_code": integer("The exit code."),
        "code": text("The code of the error: bluegreen help CODE."),
        "lines": names("Lines that belong to it: the end of a log, problems of a file."),
    }),
    "failure": thing("The command failed before it began.", {
        "outcome": text("How it ended.", "failed"), "live": {"type": "null", "description": "Not looked at."},
        "previous": {"type": "null", "description": "Not looked at."},
        "steps": {"type": "array", "maxItems": 0, "description": "None was done."},
        "error": ref("error", "What failed."),
    }),
    "result": thing("What a command did.", {
        "outcome": text(
            "How it ended. moved-back and unknown: exit codes 4 and 5.", "switched", "canary", "flipped-back",
            "prepared", "given-up", "repaired", "unchanged", "down", "failed", "moved-back", "unknown",
        ),
        "live": null_or(ref("release", "What serves now, as nginx says.")),
        "previous": null_or(ref("release", "Where flip-back goes.")),
        "steps": listed("The steps that were done.", thing("One step.", {
            "phase": text("Its phase: what its failure means.", *PHASES), "step": text("Its name."),
            "color": null_or(COLOR), "seconds": seconds("How long it took."),
            "outcome": text("How it ended.", "done", "failed", "warning", "left out"),
            "detail": text("What it did, in a phrase."),
        })),
        "error": null_or(ref("error", "What failed.")), "message": text("What else to know, in a sentence."),
        "warnings": names("What did not go as it should, after traffic had moved."),
        "next": null_or(text("A command that goes on from here.")), "shares": null_or(SHARES),
    }),
    "plan": thing("What a command would do, and why.", {
        "verb": text("The command."), "target": null_or(COLOR), "release": null_or(integer("The release's number.")),
        "nothing": text("Why there is nothing to do; empty: there is something."),
        "phases": listed("The phases, in order.", thing("A phase.", {
            "phase": text("Its name.", *PHASES), "on_failure": text("What it means when a step of it fails."),
            "steps": listed("Its steps, in order.", thing("A step.", {
                "step": text("Its name."), "color": null_or(COLOR), "cause": text("Why it is done."),
            })),
        })),
    }, {"notices": names("What else is worth knowing.")}),
    "certificate": thing("The certificate of one name.", {
        "name": text("The name."), "source": text("Where it comes from.", "acme", "files"),
        "state": text("How it is.", "placeholder", "valid", "expired"),
        "issuer": null_or(text("Who signed it.")), "expires": null_or(moment("When it ends.")),
        "days": null_or(integer("Days until then.")), "renew": null_or(moment("When it is renewed.")),
        "error": null_or(text("Why the last try failed, in the CA's words.")),
        "next_try": null_or(moment("When it is tried again.")),
    }),
    "finding": thing("One thing that was checked.", {
        "name": text("Its name."), "outcome": text("How it is.", "ok", "warning", "failed", "unknown"),
        "found": text("What was found."), "expected": text("What is expected."), "why": text("Why that matters."),
        "fix": text("What to do about it."),
    }),
    "answers": thing("One recorded request.", {
        "request": text("Method and path."), "differences": names("Where its answer differs; empty: as recorded."),
    }),
    "profiles": thing("What was done about profiles: [release].", {
        "added": names("Services that got it."),
        "not_required": names("SERVICE.DEPENDENCY that has required: false now."),
        "left": mapped("Services that did not get it, and why.", {"type": "string"}),
    }),
    "color": thing("A color and the release on it.", {
        "color": COLOR, "release": integer("Its number."), "images": IMAGES,
        "replicas": mapped("The replicas of each service.", thing("Counts of containers.", {
            "wanted": integer("How many there should be."), "running": integer("How many run."),
            "healthy": integer("How many are healthy."),
        })),
        "since": null_or(moment("Since when it is live; null: it is not.")),
        "standing": null_or(text("What it is.", *STANDINGS)),
    }),
}  # fmt: skip

LINE: dict[str, Shape] = {
    "release": integer("Its number."), "created": moment("When it was made."), "color": COLOR,
    "outcome": text("How it ended: live, failed, interrupted, moved back."),
    "standing": null_or(text("What it is now; null: it does not run.", *STANDINGS)),
    "kept": flag("Whether switch --to can bring it back."), "owner": text("Who answers for it."),
    "revision": text("Its revision, as git has it."), "subject": text("The subject of that commit."),
    "expect": text("The result that was expected of it."), "note": text("What one must know to go back from it."),
    "restores": null_or(integer("The release that it brought back.")),
    "previous": null_or(integer("The release before it.")),
    "previous_revision": null_or(text("The revision of that one.")),
    "changed": null_or(thing("What changed since the release before it.", {
        "images": names("Services with another image."), "keys": names("Keys of the Compose file."),
        "environment": names("Variables, by name only: + added, - removed."),
    })),
    "seconds": null_or(seconds("From the start to the end of its switch.")),
    "gone_back_from": flag("Whether somebody went back from it."),
}  # fmt: skip

CLOSED = thing("Maintenance.", {
    "since": text("Since when. ISO 8601 in UTC."), "message": text("The sentence on the page."),
    "allow": names("Addresses and networks that are let in."), "retry_after": integer("Retry-After, in seconds."),
})  # fmt: skip

SERVES = thing("What serves, and how to go back.", {
    "app": text("The app's name."), "live": null_or(ref("color", "What nginx sends traffic to.")),
    "idle": null_or(ref("color", "The other color.")), "urls": names("Where visitors reach the app."),
    "shares": null_or(SHARES), "preview": null_or(text("Where the idle color can be looked at.")),
    "set_aside": null_or(integer("The release that is stopped and kept while another one is prepared in its place.")),
    "drift": null_or(text("How nginx, files and containers differ; null: they do not.")),
    "closed": null_or(CLOSED),
    "unreached": names("Addresses of listen that do not answer."),
    "shared_differs": names("Shared services that are not what the Compose file says."),
    "beside": names("Containers of plain Compose that do the work of a color."),
    "unfinished": null_or(text("An operation that never ended.")),
    "migration": null_or(text("A migration in doubt.")),
    "jobs": mapped("The jobs of the live color.", thing("A job.", {
        "wanted": integer("How many containers there should be."), "running": integer("How many run."),
        "restarts": integer("How often Docker has restarted them."),
        "last_exit": null_or(integer("The exit code of one that ended.")),
        "health": null_or(text("What Docker's health check says.")), "failing": names("What is wrong with them."),
    })),
    "failover": null_or(thing("Failover, if it is on.", {
        "color": null_or(COLOR), "serving": flag("Whether the idle color answers now."),
    })),
    "proxy_image": null_or(thing("The image that nginx runs from.", {
        "ref": text("Its name."), "id": text("Its id."), "newer": null_or(text("The id that the name means now.")),
        "nginx": null_or(text("The version of nginx that runs; null: it does not answer.")),
        "newer_nginx": null_or(text("The version in the newer image, if the image says it (NGINX_VERSION).")),
    })),
    "flip_back": null_or(text("The command that goes back; null: there is no way back.")),
    "forward": flag("Whether that command goes forward, to a release that somebody went back from."),
    "no_way_back": null_or(text("Why there is no way back.")),
    "certificates": null_or(listed("The names that have certificates; null: no TLS.", ref("certificate", "A name."))),
})  # fmt: skip
