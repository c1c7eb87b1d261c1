"""What `--json` prints of visitors' requests, made of `shapes`."""

from __future__ import annotations

from bluegreen.cli.shapes import Shape, flag, integer, listed, mapped, moment, names, null_or, seconds, text, thing

ANSWER = ("yes", "no", "cannot tell")
SUMS: dict[str, Shape] = {
    "requests": integer("Requests."), "failed": integer("Those that failed by the release's fault."),
    "p50": null_or(seconds("Half of them took no longer.")), "p95": null_or(seconds("95 of 100 took no longer.")),
    "mean_size": {"type": "number", "description": "Bytes of an answer, on average."},
}  # fmt: skip
QUESTIONS = thing("Four questions, answered.", {
    "up": thing("Whether visitors get answers now.", {
        "answer": text("The answer; `no` is exit code 1.", *ANSWER), "words": text("The same with figures."),
        "listeners": listed("What was asked, and answered.", thing("A listener.", {
            "at": text("[ADDRESS:]PORT."), "path": text("What was asked for."),
            "status": null_or(integer("The status; null: no answer.")),
            "seconds": seconds("Until the answer began."), "why": text("Why there was none."),
        })),
    }),
    "slow": thing("Whether answers take longer than usual.", {
        "answer": text("The answer.", *ANSWER), "words": text("The same with figures."),
        "now": thing("The last minutes.", SUMS), "hour": thing("The hour before.", SUMS),
        "previous": thing("The last hour of the previous release.", {
            **SUMS, "release": null_or(integer("Its number.")),
        }),
    }),
    "jobs": thing("Whether jobs fail.", {
        "answer": text("The answer.", *ANSWER), "words": text("The same with figures."),
    }, {"failing": names("What fails.")}),
    "changed": thing("Whether the last release changed anything for visitors.", {
        "answer": text("The answer.", *ANSWER), "words": text("The same with figures."),
        "what": listed("What changed.", thing("A change.", {
            "name": text("Of what.", "errors", "latency", "restarts", "memory", "sizes", "routes"),
            "words": text("The change, with figures."),
        })),
    }, {
        "releases": listed("The two releases.", integer("A number.")),
        "before": thing("What visitors got from the previous one.", SUMS),
        "after": thing("What they got from the live one.", SUMS),
    }),
    "incomplete": names("What is not in these figures, and why."),
})  # fmt: skip
COUNTS = thing("Counts.", {
    "before": integer("Ended before the move."), "across": integer("Began before it, and ended after."),
    "after": integer("Began after it."),
})  # fmt: skip
RECEIPT = thing("The receipt of a move of traffic to this release.", {
    "verb": text("What moved it: switch, flip-back, or moved back."), "left": text("The color that was left."),
    "color": text("The other one."), "previous": integer("The release that was left."),
    "release": integer("The release that traffic moved to."), "moved": moment("When the rename was done."),
    "began": seconds("When the rename began, since 1970."), "ended": seconds("When it was done, since 1970."),
    "rename_ms": {"type": "number", "description": "How long the rename took, in milliseconds."},
    "since": moment("From here on requests are in it."), "until": moment("Up to here."),
    "requests": COUNTS, "failed": COUNTS, "unanswered": COUNTS,
    "connections": integer("Connections that these requests came on."),
    "twice": thing("Requests that were answered more than one time.", {
        "count": integer("How many."), "ids": names("Their ids."),
    }),
    "missing": thing("Requests that nginx has counted and the log does not have.", {
        "count": integer("How many."), "which": names("The first ones."),
    }),
    "late": thing("Requests that began after the move and were answered by the color that was left.", {
        "count": integer("How many."), "which": listed("The first ones.", thing("A request.", {
            "request_id": text("Its id."), "route": text("Its route."), "status": integer("Its status."),
            "color": text("Who answered."), "began": moment("When it began."),
            "upstream": text("The address that nginx asked."),
        })),
    }),
    "incomplete": names("Why the receipt is not complete; empty: it is."),
    "right": flag("Whether it is complete, and each request was answered one time, none by the color that was left."),
    "words": text("All that in a sentence."),
})  # fmt: skip
THEN = thing("What was live at a time.", {
    "at": moment("The time."),
    "live": null_or(thing("What was live; null: nothing, or unknown.", {
        "color": null_or(text("The color.", "blue", "green")), "release": integer("Its number."),
    })),
    "since": null_or(moment("Since when; null: the journal does not go back so far.")),
    "until": null_or(moment("Until when; null: up to now.")), "verb": null_or(text("What made it so.")),
    "minutes": null_or(integer("The figures are of so many minutes; null: there are none.")),
    "figures": null_or(thing("What visitors got then.", SUMS)),
    "by_release": mapped("Requests that each release answered then.", {"type": "integer"}),
})  # fmt: skip
FOUND = thing("A request.", {
    "request_id": text("Its id."),
    "requests": listed("Each request with this id; a proxy in front may send one more often.", thing("A request.", {
        "began": moment("When it began."), "ended": moment("When it ended."), "seconds": seconds("How long it took."),
        "method": text("Its method."), "uri": text("What was asked for."), "host": text("Of which host."),
        "client": text("The visitor's address."), "status": integer("The status of the answer."),
        "bytes": integer("The size of its body."), "color": null_or(text("The color that answered.")),
        "release": null_or(integer("Its release.")), "service": null_or(text("The service.")),
        "upstream": null_or(text("The addresses that nginx asked, each try.")),
        "upstream_status": null_or(text("What they answered.")),
        "container": null_or(text("The container that answered; null: nginx itself, or it is gone.")),
        "why": text("What happened, in a sentence."),
        "lines": listed("What the container wrote.", thing("A line.", {
            "moment": moment("When."), "text": text("The line."),
            "by": text("Why it is here: it has the id, or it is of the time of the request.", "id", "time"),
        })),
    })),
})  # fmt: skip
