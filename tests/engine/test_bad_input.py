"""Settings that try to say more than they may: refused by key path, or nginx reads exactly what was asked.

Hypothesis makes the blocks. What is accepted is rendered, read back by a parser that is not ours and compared
with the settings; the real `nginx -t` then gets all the files. HYPOTHESIS=nightly: 100,000 examples.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane  # type: ignore[import-untyped]  # it ships no types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluegreen.domain.app import Listen, ProxySettings, Route, Settings
from bluegreen.domain.loopback import on_loopback
from bluegreen.domain.release import Image
from bluegreen.domain.routing import Routing, Slot
from bluegreen.frontdoor import render as config
from bluegreen.frontdoor import text
from bluegreen.frontdoor.files import read_routing
from bluegreen.settings.parse import InvalidSettings, Problem, parse_settings
from bluegreen.shipped import shipped
from tests.support.machine import images

EXAMPLES = 100_000 if os.environ.get("HYPOTHESIS") == "nightly" else 600
KEPT = 200  # files for the real nginx at most
NAMES = ("web", "api", "a.b_c-d", "worker")
# In a container of its own: reads every file, names those that nginx refuses. No input is part of it.
READ = """
mkdir -p /run/bluegreen/temp
cd /in
for file in *.conf; do nginx -e /dev/stderr -t -c "/in/$file" 2>&1 || echo "REFUSED $file"; done
"""

HOSTILE = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="ab/.:;{}$\"'\\#\n\r\t\0 *~^=@%[](){{}}é\u202e", max_size=14),
    st.sampled_from(
        [
            "/a\n", "/a;}", "/a{", "/{{ 7 * 7 }}", "/$host", "/ a", "/a#b", "/a\\", "~ .*", "= /", "@bg_502", "/..",
            "//", "a b", "_", "*", "*.", "*.example.com", "a..b", "example.com;", "example.com\n", "EXAMPLE.com",
            "xn--bcher-kva", "80;", "80 default_server", "0x50", "8_0", "٨٠", "1e3", "-1", "0", "65536", "[::1]:80",
            "127.0.0.1:80\n",
            "10m\n", "10m;", "٣m", "9" * 30, "10.0.0.0/8; deny all", "0.0.0.0/0", "::/0", "10.0.0.1/33", "30s\n",
            "1ms", "1e9s",
        ]
    ),
)  # fmt: skip


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Enough that is good for a whole block to be accepted, with a hostile value somewhere."""
    return st.sampled_from((True,) * 11 + (False,)).flatmap(lambda is_good: good if is_good else HOSTILE)


PATHS = _mostly(st.sampled_from(["/", "/api", "/api/v1", "/a-b_c~d.e", "/%41", "/x:y@z+w"]))
HOSTS = _mostly(st.sampled_from(["example.com", "*.example.com", "a.example.com", "localhost"]))
SIZES = _mostly(st.one_of(st.integers(1, 2**40), st.sampled_from(["1k", "100m", "2g"])))
TIMES = _mostly(st.sampled_from(["1s", "500ms", "1m30s", "1.5s"]))
LISTENS = _mostly(st.one_of(st.integers(1, 65535), st.sampled_from(["80", "127.0.0.1:8080", "[::1]:8080"])))
GOOD = ["10.0.0.0/8", "172.16.0.0/12", "192.0.2.1", "2001:db8::/32", "198.51.100.7"]
NETWORKS = st.lists(_mostly(st.sampled_from([*GOOD, "::1"])), max_size=3)  # ::1 alone depends on where nginx listens
POLICY: dict[str, st.SearchStrategy[Any]] = {"path": PATHS, "timeout": TIMES, "expect": st.just({})}
HEALTH = st.one_of(PATHS, st.fixed_dictionaries({}, optional=POLICY))


def _some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


SERVICES = st.dictionaries(
    st.sampled_from((NAMES[0], NAMES[0], NAMES[0], *NAMES[:3])),
    st.fixed_dictionaries(
        {"port": _mostly(st.integers(1, 65535))}, optional={"path": PATHS, "host": HOSTS, "health": HEALTH}
    ),
    min_size=1, max_size=3,
)  # fmt: skip
BLOCKS = st.fixed_dictionaries(
    {"services": SERVICES},
    optional={
        "listen": st.one_of(LISTENS, st.lists(LISTENS, max_size=3)),
        "preview": st.one_of(LISTENS, st.just("off")),
        "drain": TIMES,
        "failover": st.booleans(),
        "jobs": _mostly(st.just(["worker"])),
        "proxy": _some(max_body=SIZES, read_timeout=TIMES, trust=NETWORKS, image=_mostly(st.just("nginx"))),
    },
)


def _render(found: Settings) -> str:
    """Both colors, as after a switch."""
    slots: dict[Any, Slot] = {}
    for color, base in (("blue", 16), ("green", 32)):
        names = [route.service for route in found.routes]
        slots[color] = Slot(
            "blue" if color == "blue" else "green", base, "definition", found.routes,
            {name: (f"172.20.0.{base + place}",) for place, name in enumerate(names)},
            {name: Image("shop", "sha256:1") for name in names}, dict.fromkeys(names, 1), (),
            found.proxy.max_body, found.proxy.read_timeout,
        )  # fmt: skip
    routing = Routing("shop", 7, "blue", slots, "previous", "2026-11-01T10:00:00+00:00", found.drain)
    frame = config.ProxyConfig(
        found.listen, found.preview, found.proxy.trust, ("172.20.0.0/17",), None, found.failover
    )  # fmt: skip
    return text.activate(config.render(routing, frame, shipped("nginx")), 7, "2026-11-01T10:00:00+00:00")


@functools.lru_cache(maxsize=100)  # a tree is large
def _tree(text: str) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        found = crossplane.parse(file.name, single=True)
    assert found["status"] == "ok", found["errors"]
    return list(found["config"][0]["parsed"])


def _all(block: list[dict[str, Any]], path: str = "") -> Iterator[tuple[str, list[str], list[dict[str, Any]]]]:
    for entry in block:
        data = path == "/http/geo"  # its entries are networks, no directives
        name = f"{path}/{'network' if data else entry['directive']}"
        yield name, entry["args"], entry.get("block", [])
        yield from _all(entry.get("block", []), name)


def _public(tree: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The servers of the public listener: those that begin with the live color."""
    servers = [block for name, _, block in _all(tree) if name == "/http/server"]
    return [block for block in servers if any(entry["args"] == ["$bg_door", "public"] for entry in block)]


def _matches(path: str) -> list[tuple[str, ...]]:
    """The locations that stand for a path prefix: /api means /api and /api/..., never /apiary."""
    return [("/",)] if path == "/" else [("=", path), (f"{path}/",)]


def _choices(block: list[dict[str, Any]]) -> tuple[str, str]:
    """What a map of the color gives for blue and for green."""
    found = {entry["directive"]: entry["args"][0] for entry in block if entry["args"]}
    return found.get("blue", ""), found.get("green", "")


def _says_what_was_asked(found: Settings, tree: list[dict[str, Any]]) -> None:
    """Hosts, locations and limits are those of the settings: none is missing, none was added."""
    anybody = {route.path: route.service for route in found.routes if route.host is None}
    expected = {"_": anybody}
    for host in {route.host for route in found.routes if route.host is not None}:
        expected[host] = {**anybody, **{r.path: r.service for r in found.routes if r.host == host}}
    servers = _public(tree)
    at = {args[1]: _choices(block) for name, args, block in _all(tree) if name == "/http/map"}
    names = [next(it["args"] for it in block if it["directive"] == "server_name") for block in servers]
    assert sorted(names) == sorted([name] for name in expected)
    for block in servers:
        (name,) = next(it["args"] for it in block if it["directive"] == "server_name")
        wanted = {match: service for path, service in expected[name].items() for match in _matches(path)}
        there = {}
        for entry in block:
            ours = entry["args"][-1].startswith(("/bluegreen-", "@"))
            if entry["directive"] == "location" and not ours:
                (variable,) = [it["args"][1] for it in entry["block"] if it["args"][:1] == ["$bg_service"]]
                blue, green = at[variable]
                assert blue == green, "both colors have the same routes"
                if not blue.startswith("!"):
                    there[tuple(entry["args"])] = blue
        assert there == wanted
        limits = {it["directive"]: it["args"] for it in block}
        assert limits["client_max_body_size"] == [str(found.proxy.max_body)]
        assert limits["proxy_read_timeout"] == [f"{round(found.proxy.read_timeout * 1000)}ms"]
    trusted = [args for name, args, _ in _all(tree) if name == "/http/set_real_ip_from"]
    assert trusted == [[network] for network in found.proxy.trust]
    (networks,) = (
        block
        for name, args, block in _all(tree)
        if name == "/http/geo" and args == ["$realip_remote_addr", "$bg_trusted"]
    )
    believed = [(entry["directive"], entry["args"]) for entry in networks]
    assert believed == [("default", ["0"]), *((network, ["1"]) for network in found.proxy.trust)]


def _plain_twin(found: Settings) -> Settings:
    """Harmless settings of the same shape."""
    hosts = {host: f"h{number}.example.com" for number, host in enumerate(dict.fromkeys(r.host for r in found.routes))}
    paths = {path: path if path == "/" else f"/p{number}" for number, path in enumerate({r.path for r in found.routes})}
    routes = tuple(
        Route(route.service, 8000, paths[route.path], None if route.host is None else hosts[route.host])
        for route in found.routes
    )
    return Settings(
        routes,
        listen=tuple(Listen("", it.port) for it in found.listen),
        preview=found.preview and Listen("127.0.0.1" if on_loopback(found.preview) else "", found.preview.port),
        failover=found.failover,
        proxy=ProxySettings(trust=tuple(f"10.0.{number}.0/24" for number, _ in enumerate(found.proxy.trust))),
    )


@functools.lru_cache(maxsize=5000)
def _directives(text: str) -> Counter[str]:
    """Which directives a file has, and how often."""
    return Counter(name for name, *_ in _all(_tree(text)))


def test_hostile_settings_are_refused_by_key_or_mean_what_they_say(tmp_path: Path) -> None:
    accepted: dict[str, None] = {}
    seen = Counter[str]()
    refusals: list[Problem] = []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(BLOCKS)
    def judge(block: dict[str, Any]) -> None:
        try:
            found = parse_settings(block, NAMES)
        except InvalidSettings as error:
            seen["refused"] += 1
            refusals.extend(error.problems)
            return
        seen["accepted"] += 1
        seen["host"] += any(route.host for route in found.routes)
        seen["path"] += any(route.path != "/" for route in found.routes)
        seen["two services"] += len(found.routes) > 1
        seen["trust"] += bool(found.proxy.trust)
        seen["failover"] += found.failover
        text = _render(found)
        tree = _tree(text)
        _says_what_was_asked(found, tree)
        there = Counter(name for name, *_ in _all(tree))
        assert there == _directives(_render(_plain_twin(found))), "a directive was added"
        if len(accepted) < KEPT:
            accepted[text] = None

    judge()
    assert all(problem.path and problem.found and problem.expected for problem in refusals)
    print(f"\n{dict(seen)}, {len(accepted)} different files for the real nginx")
    assert seen["accepted"] > EXAMPLES / 10
    assert seen["refused"] > EXAMPLES / 10
    assert min(seen[key] for key in ("host", "path", "failover", "two services")) > EXAMPLES / 100, seen
    assert seen["trust"] > EXAMPLES / 200, seen
    _nginx_accepts(list(accepted), tmp_path)


def _nginx_accepts(texts: list[str], folder: Path) -> None:
    place = folder / "all"
    place.mkdir()
    for number, content in enumerate(texts):
        (place / f"{number}.conf").write_text(content)
    done = subprocess.run(
        [
            "docker", "run", "--rm", "--network", "none", "-v", f"{place}:/in:ro", "--label", "bluegreen.app=bgt-input",
            images()["NGINX_IMAGE"], "sh", "-c", READ,
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    refused = [line for line in done.stdout.splitlines() if "REFUSED" in line or "[emerg]" in line]
    assert not refused, refused[:5]
    assert done.stdout.count("test is successful") == len(texts)


def test_the_rendered_header_cannot_break_out_of_its_line() -> None:
    """The routing stands in a comment: whatever is in it, it is one line of JSON."""
    hostile = "a\nload_module /evil.so;\r\u2028{{ 7 }}"
    slot = Slot("blue", 1, hostile, (), {}, {hostile: Image(hostile, hostile)}, {}, ())
    routing = Routing("shop", 1, None, {"blue": slot}, None, hostile, 1.0)
    rendered = config.render(routing, config.ProxyConfig((), None, (), ()), shipped("nginx"))
    assert read_routing(rendered) is not None
    assert "load_module" not in "\n".join(rendered.splitlines()[1:]), "it stays in the comment"
    assert (text.header(rendered) or {})["slots"]["blue"]["definition"] == hostile
