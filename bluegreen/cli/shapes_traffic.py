"""What `--json` prints of visitors' requests, made of `shapes`."""

from __future__ import annotations

from bluegreen.cli.shapes import Shape, flag, integer, listed, moment, names, null_or, seconds, text, thing

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
