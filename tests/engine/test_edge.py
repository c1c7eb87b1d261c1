"""Several apps behind one edge: each by its names, none in the way of another, and the edge itself may be replaced."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import statistics
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Make
from tests.fakes.sockets import soon
from tests.support.load import Load
from tests.support.machine import THOROUGH, docker, images
from tests.support.street import APP, EDGE, Street, trusting

PARTS = 30  # of a long answer, one a second
SLOW = f"""
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        if self.path != "/long":
            self.send_header("Content-Length", "2")
            self.end_headers()
            return self.wfile.write(b"ok")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range({PARTS}):
            self.wfile.write(b"4\\r\\npart\\r\\n")
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(b"0\\r\\n\\r\\n")
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
APPS = 20 if THOROUGH else 4
TIMES = 20 if THOROUGH else 1


@pytest.fixture
def street(make_project: Make) -> Iterator[Street]:
    found = Street(make_project)
    yield found
    found.clean()


def test_each_app_has_its_names_and_visitors_are_who_they_are(street: Street) -> None:
    shop = street.app_of("[shop.example.com, '*.shop.example.com']", secure="shop.example.com")
    rest = street.app_of("any")
    shop.ok("up")
    rest.ok("up", GREETING="rest")
    assert street.ask("rest.example.com")[1]["greeting"] == "rest"
    assert street.ask("A.Shop.Example.COM.", "/?q=1")[1]["greeting"] == "Hello"
    secure = trusting(shop)
    assert street.ask("shop.example.com", tls=secure)[1]["greeting"] == "Hello"
    status, moved = street.ask("shop.example.com", "/x?y=1")
    assert status == 308, moved
    with pytest.raises(ssl.SSLError):
        street.ask("rest.example.com", tls=secure)

    # What a visitor says of himself is not believed, by either way.
    forged = {"X-Forwarded-For": "9.9.9.9", "X-Real-IP": "8.8.8.8", "X-Forwarded-Proto": "https", "Forwarded": "for=7"}
    for host, tls in (("rest.example.com", None), ("shop.example.com", secure)):
        found = dict(street.ask(host, "/headers", forged, tls)[1])
        gateway = docker(
            "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", f"{street.app}_bluegreen_public"
        )
        assert {found["x-real-ip"], found["x-forwarded-for"]} == {gateway}, found
        assert found["x-forwarded-proto"] == ("https" if tls else "http")
        assert found["x-forwarded-port"] == str(street.tls if tls else street.port)
        assert "forwarded" not in found

    status, words = street.ask("shop.example.com", tls=secure, headers={"Connection": "Upgrade", "Upgrade": "h2c"})
    assert status == 200, words
    listed = json.loads(shop.ok("apps", "--json").out)
    mine = [it for it in listed["edges"] if it["name"] == street.name]
    assert [sorted(it["app"] for it in edge["apps"]) for edge in mine] == [sorted([shop.name, rest.name])]
    assert mine[0]["running"]
    named = next(it for it in listed["apps"] if it["app"] == shop.name)
    assert named["names"] == ["*.shop.example.com", "shop.example.com"]
    assert named["edge"] == street.name
    assert named["certificate_days"] == 29
    assert f"https://shop.example.com:{street.tls}/" in shop.status()["urls"]

    rest.ok("down", "--yes")
    assert street.ask("rest.example.com")[0] == 421
    assert street.ask("shop.example.com", tls=secure)[0] == 200
    shop.ok("down", "--yes")
    assert docker("ps", "-aq", "--filter", f"label=bluegreen.app={street.app}") == ""
    assert not street.state.exists()


def test_a_trusted_proxy_before_the_edge_says_who_the_visitor_is(street: Street) -> None:
    trust = (
        '  proxy: {image: "${PROXY_IMAGE:-${NGINX_IMAGE}}", trust: ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]}'
    )
    compose = APP.replace('  proxy: {image: "${PROXY_IMAGE:-${NGINX_IMAGE}}"}', trust)
    shop = street.app_of("shop.example.com", compose, secure="shop.example.com")
    shop.ok("up")
    said = {"X-Forwarded-For": "9.9.9.9, 203.0.113.7", "X-Forwarded-Proto": "https"}
    found = dict(street.ask("shop.example.com", "/headers", said, trusting(shop))[1])
    assert found["x-forwarded-for"] == "203.0.113.7"
    found = dict(street.ask("shop.example.com", "/headers", said)[1])  # it says that the visitor came by https
    assert (found["x-forwarded-for"], found["x-forwarded-proto"]) == ("203.0.113.7", "https")


@pytest.mark.long
def test_a_name_is_of_one_app_and_all_say_the_same_of_the_edge(street: Street) -> None:
    shop, other = street.app_of("shop.example.com"), street.app_of("[blog.example.com, shop.example.com]")
    shop.ok("up")
    done = other.run("up")
    assert done.code == 2, done
    assert f"{shop.name}, in {shop.folder}" in done.err
    assert street.ask("blog.example.com")[0] == 421
    other.write(other.compose.replace(", shop.example.com", ""))
    other.variables["EDGE_PORT"] = "1"
    done = other.run("up")
    assert done.code == 2, done
    assert "is another one than" in done.err
    other.variables |= street.variables
    other.ok("up")
    assert street.ask("blog.example.com")[0] == 200
    # A name of the next release is claimed before it gets traffic; one of the release before is kept for the way back.
    other.write(other.compose.replace("[blog.example.com, shop.example.com]", "news.example.com"))
    other.ok("switch")
    assert street.ask("news.example.com")[0] == 200
    other.ok("flip-back")
    assert street.ask("blog.example.com")[0] == 200
    other.write(other.compose.replace("[blog.example.com, shop.example.com]", "shop.example.com"))
    assert "shop.example.com" in other.run("switch").err
    assert other.live() == "blue"


def test_a_switch_of_one_app_is_nothing_to_its_neighbours(street: Street) -> None:
    shared = f"{street.name}_default"  # else each app's own takes a subnet of the Engine's few
    docker("network", "create", "--label", f"bluegreen.app={street.app}", shared)
    compose = f"{APP}networks: {{default: {{name: {shared}, external: true}}}}\n"
    apps = [street.app_of(f"app{number}.example.com", compose) for number in range(APPS)]
    for project in apps:
        project.ok("up")
    loads = [Load(street.port, {"get": 4, "fresh": 1}, host=f"app{number}.example.com") for number in range(1, APPS)]
    first = Load(street.port, {"get": 20, "fresh": 4}, host="app0.example.com")
    seconds: dict[str, list[float]] = {"before": [], "during": []}
    for load in (first, *loads):
        load.__enter__()
    try:
        time.sleep(1)
        began = time.monotonic()
        time.sleep(4)
        before = time.monotonic()
        for number in range(TIMES):
            apps[0].ok("switch", GREETING=f"release {number}")
            apps[0].ok("flip-back")
        during = time.monotonic()
    finally:
        for load in (first, *loads):
            load.stop()
    for load in (first, *loads):
        assert load.tally.lost == [], load.tally.why()
        assert len(load.tally.answers) > 20
    assert set(first.tally.colors()) == {"blue", "green"}
    for load in loads:
        assert set(load.tally.colors()) == {"blue"}
        for what, start, end in (("before", began, before), ("during", before, during)):
            seconds[what] += [it.ended - it.sent for it in load.tally.sent_between(start, end)]
    shown = {what: f"{statistics.quantiles(found, n=100)[98] * 1000:.1f} ms" for what, found in seconds.items()}
    answers = sum(len(load.tally.answers) for load in (first, *loads))
    print(f"\n{APPS} apps, {2 * TIMES} shifts of one: 0 of {answers} lost; p99 of the neighbours {shown}")


def _image(name: str, number: int) -> None:
    text = f"FROM {images()['NGINX_IMAGE']}\nLABEL number={number}\n"
    subprocess.run(["docker", "build", "-q", "-t", name, "-"], input=text.encode(), check=True, capture_output=True)


@pytest.fixture
def named_image(street: Street) -> Iterator[str]:
    name = f"{street.name}-nginx"
    _image(name, 0)
    yield name
    subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)


def test_another_nginx_in_the_app_or_in_the_edge_costs_no_request(street: Street, named_image: str) -> None:
    shop = street.app_of("shop.example.com", secure="shop.example.com")
    blog = street.app_of("blog.example.com")
    for project in (shop, blog):
        project.variables["PROXY_IMAGE"] = named_image
        project.ok("up")
    secure = trusting(shop)
    plain = Load(street.port, {"get": 30, "fresh": 6}, host="blog.example.com")
    over = Load(street.tls, {"get": 30, "fresh": 6}, host="shop.example.com", tls=secure)
    for load in (plain, over):
        load.__enter__()
    try:
        time.sleep(1)
        for number in range(1, TIMES + 1):
            _image(named_image, number)
            for project in (shop, blog):
                done = project.ok("up")
                assert done.err.count("took over") == (2 if project is shop else 1), done.err  # its own, and the edge's
                time.sleep(0.5)
        blog.ok("switch", GREETING="two")
        shop.ok("switch", GREETING="two")
        time.sleep(0.5)
    finally:
        for load in (plain, over):
            load.stop()
    for load in (plain, over):
        assert load.tally.lost == [], load.tally.why()
        assert set(load.tally.colors()) == {"blue", "green"}
    print(f"\n{3 * TIMES} replacements: 0 of {len(plain.tally.answers) + len(over.tally.answers)} lost")
    assert street.serving() == f"{street.app}-proxy-{TIMES + 1}"
    for project in (shop, blog):
        assert project.ok("up", "--json", GREETING="two").json()["outcome"] == "unchanged"


def test_an_app_moves_to_the_edge_and_back(street: Street) -> None:
    """On the same port: while it changes hands nobody answers, and `up` says for how long."""
    shop = street.app_of("any")
    port = free = street.port
    own = shop.compose.replace(EDGE, f'  listen: "127.0.0.1:{port}"\n')
    edge = shop.compose.replace(", host: @HOSTS@", "")
    shop.write(own)
    shop.port = free
    shop.ok("up")
    for compose, words in ((edge, "edge"), (own, "proxy")):
        shop.write(compose)
        done = shop.ok("up", "--json")
        step = next(it for it in done.json()["steps"] if it["step"] == words)
        assert "without answers at most" in step["detail"], step
        seconds = float(step["detail"].rpartition(", ")[2].split(" s")[0])
        print(f"\n{words}: {step['detail']}")
        assert 0 < seconds < 15
        assert shop.answers()
        assert shop.status()["drift"] is None
        assert shop.ok("up", "--json").json()["outcome"] == "unchanged"
    assert docker("ps", "-aq", "--filter", f"label=bluegreen.app={street.app}") == ""


@pytest.mark.long
def test_a_port_that_others_need_is_left_to_the_edge(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    shop.write(
        shop.compose.replace("@HOSTS@", "shop.example.com").replace(EDGE, f'  listen: "127.0.0.1:{street.port}"\n')
    )
    done = shop.run("up")
    assert done.code == 1, done
    assert "port" in done.err
    assert street.app in done.err
    assert street.ask("shop.example.com")[0] == 200
    done = shop.run("down", "--to-compose", "--yes")
    assert done.code == 1, done
    assert street.ask("blog.example.com")[0] == 200


@pytest.mark.long
def test_an_edge_sees_sockets_and_nothing_else(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com", secure="shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    seen = docker("exec", f"{street.app}-proxy", "find", "/run/bluegreen-apps", "-type", "f")
    assert seen == "", "sockets and folders only"
    assert ".pem" not in docker("exec", f"{street.app}-proxy", "find", "/etc/bluegreen", "/run")
    done = subprocess.run(
        ["docker", "exec", f"{street.app}-proxy", "touch", "/run/bluegreen-apps/x"], capture_output=True, check=False
    )
    assert done.returncode != 0
    # An app's nginx sees its own folder, and not its neighbour's.
    assert docker("exec", f"{shop.name}-proxy", "ls", "/run/bluegreen-edge").split() == ["plain.sock", "secure.sock"]
    assert blog.name not in docker("exec", f"{shop.name}-proxy", "cat", "/proc/mounts")
    # Nobody outside reaches these sockets, and what an app's containers can reach of its nginx is as without an edge.
    assert shop.state.stat().st_mode & 0o777 == 0o700
    assert street.state.stat().st_mode & 0o777 == 0o700
    ports = docker("inspect", "-f", "{{json .HostConfig.PortBindings}}", f"{shop.name}-proxy")
    assert str(street.port) not in ports


@pytest.mark.long
def test_an_edge_that_cannot_be_is_refused_while_nothing_has_changed(street: Street) -> None:
    """A port of somebody else, an image that is not there or has no nginx: visitors feel none of it."""
    shop = street.app_of("shop.example.com")
    shop.ok("up")
    own = shop.file.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        at = '"127.0.0.1:${EDGE_PORT}"'
        for wrong in (
            own.replace(at, f'"127.0.0.1:{port}"'),
            own.replace('name: "${EDGE}"', 'name: "${EDGE}-x"').replace(at, f'"127.0.0.1:{port}"'),
            own.replace("edge: {", 'edge: {image: "bgt/none:1", '),
            own.replace("edge: {", 'edge: {image: "${PYTHON_IMAGE}", '),
        ):
            assert wrong != own
            shop.write(wrong)
            for words in (("up", "--dry-run"), ("up",)):
                done = shop.run(*words)
                assert done.code == 1 or (words[1:] and "image" in wrong), (wrong, done)
                assert street.ask("shop.example.com")[0] == 200, (wrong, done)
    shop.write(own)
    assert shop.ok("up", "--json").json()["outcome"] == "unchanged"
    shop.write(own.replace("shop.example.com", "default"))
    shop.ok("switch")
    assert street.ask("default")[0] == 200
    # From a port of its own, it keeps it while the edge cannot be.
    blog = street.app_of("blog.example.com")
    mine = blog.compose
    blog.write(mine.replace(EDGE, '  listen: "${SHOP_LISTEN}"\n'))
    blog.ok("up")
    blog.write(mine.replace("edge: {name", "edge: {image: 'bgt/none:1', name").replace("${EDGE}", "${EDGE}-y"))
    assert blog.run("up").code == 1
    assert blog.get("/", headers={"Host": "blog.example.com"})[0] == 200


@pytest.mark.long
def test_what_was_removed_of_the_edge_comes_back(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    sockets = street.state / "sockets"
    for remove in (sockets / shop.name / "plain.sock", sockets, street.state / "claims"):
        if remove.is_dir():
            shutil.rmtree(remove)
        else:
            remove.unlink()
        if remove.name != "claims":
            assert street.ask("shop.example.com")[0] == 503
            assert "does not reach the app" in shop.run("status").out
        shop.ok("up")
        assert street.ask("shop.example.com")[0] == 200, remove
        blog.ok("up")
        assert street.ask("blog.example.com")[0] == 200, remove
    shutil.rmtree(shop.state)
    shop.ok("down", "--yes")
    assert street.ask("shop.example.com")[0] == 421
    docker("rm", "-f", f"{street.app}-proxy")
    blog.ok("up")
    docker("rm", "-f", f"{street.app}-proxy")
    blog.ok("down", "--yes")
    assert not street.state.exists()


@pytest.mark.long
def test_a_long_answer_outlives_the_nginx_of_the_edge(street: Street, named_image: str) -> None:
    """Begun at one nginx of the edge, ended when the one after the next serves already."""
    slow = APP.replace("[python3, /srv/server.py", "[python3, /srv/slow.py").replace(
        "./server.py:/srv/server.py", "./slow.py:/srv/slow.py"
    )
    shop = street.app_of("shop.example.com", slow)
    (shop.folder / "slow.py").write_text(SLOW)
    shop.ok("up", PROXY_IMAGE=images()["NGINX_IMAGE"])
    shop.write(shop.file.read_text().replace("edge: {name", f"edge: {{image: {named_image}, name"))
    shop.variables["PROXY_IMAGE"] = images()["NGINX_IMAGE"]
    shop.ok("up")
    _image(named_image, 1)
    assert shop.ok("up").err.count("took over") == 1
    with socket.create_connection(("127.0.0.1", street.port), 60) as kept:
        kept.sendall(b"GET /long HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
        answer = kept.recv(65536)
        for number in (2, 3):
            _image(named_image, number)
            assert shop.ok("up").err.count("took over") == 1
        while not answer.endswith(b"0\r\n\r\n"):
            piece = kept.recv(65536)
            assert piece, "it was cut"
            answer += piece
    assert answer.count(b"part") == PARTS


@pytest.mark.long
def test_closed_is_the_app_alone(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    shop.ok("maintenance", "on")
    assert street.ask("shop.example.com")[0] == 503
    assert street.ask("blog.example.com")[0] == 200
    shop.ok("maintenance", "off")
    assert street.ask("shop.example.com")[0] == 200


@pytest.mark.long
def test_an_app_that_dies_is_no_harm_to_its_neighbours_and_comes_back(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    docker("kill", f"{shop.name}-proxy")
    status, words = street.ask("shop.example.com")
    assert (status, "does not answer" in str(words)) == (503, True)
    assert street.ask("blog.example.com")[0] == 200
    shop.ok("up")
    assert street.ask("shop.example.com")[0] == 200
    docker("kill", f"{street.app}-proxy")
    assert "visitors do not reach nginx" in shop.run("status").out
    blog.ok("up")
    assert [street.ask(f"{name}.example.com")[0] for name in ("shop", "blog")] == [200, 200]


@pytest.mark.long
def test_the_state_of_the_edge_is_lost(street: Street) -> None:
    """The sockets of the apps were in it. The next `up` of each app brings it back."""
    shop, blog = street.app_of("shop.example.com"), street.app_of("blog.example.com")
    shop.ok("up")
    blog.ok("up")
    shutil.rmtree(street.state)
    assert [street.ask(f"{name}.example.com")[0] for name in ("shop", "blog")] == [503, 503]
    done = shop.run("switch", GREETING="two")
    assert (done.code, "bluegreen up" in done.err) == (1, True), done
    shop.ok("up")
    blog.ok("up")
    for name in ("shop", "blog"):
        assert soon(partial(street.serves, f"{name}.example.com"), 10), name
    assert blog.ok("up", "--json").json()["outcome"] == "unchanged"
    shutil.rmtree(street.state)  # once more, and one of the two ends: the other one has its edge still
    shop.ok("down", "--yes")
    assert docker("ps", "-q", "--filter", f"name={street.app}-proxy")
    blog.ok("up")
    assert soon(partial(street.serves, "blog.example.com"), 10)
    blog.ok("down", "--yes")
    assert not street.state.exists()


@pytest.mark.long
def test_commands_of_several_apps_at_once(street: Street) -> None:
    apps = [street.app_of(f"app{number}.example.com") for number in range(3)]
    running = [
        subprocess.Popen(
            [*project.command, "up"], cwd=project.folder, env=project.environment({}), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        for project in apps
    ]  # fmt: skip
    for process in running:
        _, words = process.communicate(timeout=120)
        assert process.returncode == 0, words
    assert [street.ask(f"app{number}.example.com")[0] for number in range(3)] == [200] * 3
    assert len(list(Path(street.state, "claims").iterdir())) == 3


@pytest.mark.long
def test_a_release_that_is_given_up_gives_its_names_up_too(street: Street) -> None:
    shop, blog = street.app_of("shop.example.com"), street.app_of("new.example.com")
    shop.ok("up")
    before = shop.file.read_text()
    shop.write(before.replace("host: shop.example.com", "host: [shop.example.com, new.example.com]"))
    shop.ok("prepare", GREETING="two")
    shop.write(before)
    refused = blog.run("up")
    assert refused.code == 2, refused
    assert f"{shop.name}, in" in refused.err
    shop.ok("prepare", "--give-up")
    blog.ok("up")
    assert street.serves("new.example.com")
    assert street.serves("shop.example.com")
