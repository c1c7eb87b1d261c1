"""What is sent and written: nginx files, create requests and the texts of errors, line by line for a snapshot."""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bluegreen
from bluegreen.compose.run import unescape
from bluegreen.domain.app import Listen, Route
from bluegreen.domain.routing import Routing
from bluegreen.frontdoor import render as config
from bluegreen.places.docker.mounts import Surroundings, copied_files
from bluegreen.places.docker.spec import create_request, depends_on_containers, refusals
from bluegreen.shipped import shipped
from tests.unit.worlds import routing, slot

EVERY_KEY = Path(__file__).parent / "snapshots" / "every_key.json"  # tests/engine/every_key, as Compose 5 resolves it
FIELDS = ("summary", "failed", "expected", "traffic", "retry", "next")
PLAIN = config.ProxyConfig((Listen("", 80),), Listen("127.0.0.1", 8081), (), ("172.20.0.0/17",))
BLUE, GREEN = slot("blue", 7), slot("green", 6)


def _files() -> dict[str, tuple[Routing, config.ProxyConfig]]:
    both = routing("blue", blue=BLUE, green=GREEN)
    api = replace(GREEN, routes=(*GREEN.routes, Route("api", 9000, "/api")))
    api = replace(api, addresses={**api.addresses, "api": ("172.20.0.40",)})
    hosts = replace(BLUE, routes=(Route("web", 8000, "/", "shop.example"), Route("admin", 81, "/", "admin.example")))
    hosts = replace(hosts, addresses={**BLUE.addresses, "admin": ("172.20.0.41",)})
    large = replace(GREEN, max_body=0, read_timeout=300.0)
    return {
        "blue alone": (routing("blue", None, blue=BLUE), PLAIN),
        "nothing is live yet": (routing(None, "prepared", blue=BLUE), PLAIN),
        "blue live, green the way back": (both, PLAIN),
        "green live, blue the way back": (routing("green", blue=BLUE, green=GREEN), PLAIN),
        "green is prepared": (routing("blue", "prepared", blue=BLUE, green=slot("green", 8, "new")), PLAIN),
        "a service more in green": (routing("blue", "prepared", blue=BLUE, green=api), PLAIN),
        "hosts in blue only": (routing("blue", blue=hosts, green=GREEN), PLAIN),
        "limits that differ, before the seal": (routing("blue", "prepared", blue=BLUE, green=large), PLAIN),
        "limits that differ, sealed": (routing("blue", blue=BLUE, green=large), PLAIN),
        "failover": (both, replace(PLAIN, failover=True)),
        "failover to a color that has not served": (
            routing("blue", "prepared", blue=BLUE, green=GREEN), replace(PLAIN, failover=True),
        ),
        "trusted networks and snippets": (both, replace(PLAIN, trust=("10.0.0.0/8", "fd00::/8"), snippets="/s")),
        "two listeners, no preview": (both, replace(PLAIN, listen=(Listen("", 80), Listen("::1", 88)), preview=None)),
        "a short drain": (replace(both, drain=0.5), PLAIN),
    }  # fmt: skip


def nginx_files() -> Iterator[str]:
    """The first whole, each other one as its difference from the first."""
    first: list[str] = []
    for name, (wanted, proxy) in _files().items():
        lines = config.render(wanted, proxy, shipped("nginx")).splitlines()[1:]  # the header is a text of its own
        yield f"== {name}"
        if not first:
            first = lines
            yield from lines
        else:
            found = difflib.unified_diff(first, lines, n=0, lineterm="")
            yield from [line for line in found if not line.startswith(("---", "+++", "@@"))]
        yield ""


def create_requests() -> Iterator[str]:
    """What the Engine is asked for, for each service of the file with every key; or why it is refused."""
    document = unescape(json.loads(EVERY_KEY.read_text()))
    volumes = {name: it or {} for name, it in document["volumes"].items()}
    plain = Surroundings(volumes, document["secrets"], document["configs"])
    for name, service in sorted(document["services"].items()):
        yield f"== {name}"
        if found := list(refusals(service, plain)):
            yield from [f"refused: {it.key}: {it.reason}" for it in found]
            continue
        others = {other: ((f"id-{other}", f"shop-{other}-1"),) for other in depends_on_containers(service)}
        around = replace(plain, containers=others, seccomp={"seccomp.json": "{}", "./seccomp.json": "{}"})
        yield from json.dumps(create_request(service, around), indent=1, sort_keys=True).splitlines()
        yield from [f"copied: {it.path} {it.mode:o} {it.uid}:{it.gid}" for it in copied_files(service, around)]


def error_texts() -> Iterator[str]:
    """Every error that the code can raise, as it is written there."""
    root = Path(bluegreen.__file__).parent
    for path in sorted(root.rglob("*.py")):
        text = path.read_text()
        lines = text.splitlines()
        for call in ast.walk(ast.parse(text)):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            if call.func.id in ("BluegreenError", "Interrupted", "Finding", "Problem"):
                given = [*zip(FIELDS, call.args, strict=False), *((key.arg, key.value) for key in call.keywords)]
                yield f"== {path.relative_to(root)}: {call.func.id}"
                yield from [f"  {name or '**':<10}{_written(lines, value)}" for name, value in given]


def _written(lines: list[str], node: ast.expr) -> str:
    """As it stands in the code, on one line. Columns count bytes."""
    found = [line.encode() for line in lines[node.lineno - 1 : node.end_lineno]]
    found[-1] = found[-1][: node.end_col_offset]
    found[0] = found[0][node.col_offset :]
    return " ".join(b" ".join(found).decode().split())
