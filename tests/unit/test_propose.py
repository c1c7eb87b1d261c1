"""The block that `init` proposes for a Compose file: which service, which port, and why."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bluegreen.features.init.propose import propose


def _block(**services: dict[str, Any]) -> dict[str, Any]:
    return propose({"services": services}).block


def _ports(*published: str, target: int = 8000, **more: Any) -> list[dict[str, Any]]:
    return [{"target": target, "published": it, **more} for it in published]


@pytest.mark.parametrize(
    ("service", "port", "why"),
    [
        ({"ports": _ports("80")}, 8000, 'from ports: "80:8000"'),
        ({"ports": _ports("53", target=53, protocol="udp"), "expose": ["9000"]}, 9000, "from expose"),
        (
            {"ports": [*_ports("1", target=1), *_ports("2", target=2)], "healthcheck": {"test": "curl http://localhost:2/"}},
            2, "ports and healthcheck agree",
        ),
        ({"expose": ["9000-9001/tcp"]}, 9000, "from expose"),
        ({"environment": {"PORT": "7000", "VIRTUAL_PORT": "7001"}}, 7001, "from its environment"),
        ({"environment": {"PORT": "7000", "VIRTUAL_PORT": "x"}}, 7000, "from its environment"),
        ({"healthcheck": {"test": ["CMD", "curl", "http://127.0.0.1:6000/up"]}}, 6000, "from its healthcheck"),
        ({"healthcheck": {"test": "curl http://localhost/up"}}, 80, "from its healthcheck"),
        ({"command": ["uvicorn", "a:app", "--port", "5000"]}, 5000, "from its command"),
        ({"command": "gunicorn -b 0.0.0.0:5001 a"}, 5001, "from its command"),
        ({"labels": {"traefik.http.services.a.loadbalancer.server.port": "4000"}}, 4000, "from the labels for Traefik"),
    ],
)  # fmt: skip
def test_the_port_and_where_it_was_found(service: dict[str, Any], port: int, why: str) -> None:
    found = propose({"services": {"web": {"build": {"context": "."}, **service}}})
    assert (found.block["service"], found.block["port"]) == ("web", port)
    assert dict(found.decisions)["port"] == f"{port}, {why}"


def test_without_any_port_the_person_has_to_choose() -> None:
    found = propose({"services": {"web": {"expose": ["53/udp"]}, "db": {"image": "postgres"}}})
    assert found.block == {}
    assert "(among web)" in found.advice[0]
    assert "(among none)" in propose({}).advice[0]


@pytest.mark.parametrize(
    ("test", "health"),
    [
        ("curl http://localhost:8000/live", "/live"), ("curl http://localhost:8000/health", None),
        ("curl http://localhost:9999/other", "/"), ("pg_isready", "/"), (None, "/"),
    ],
)  # fmt: skip
def test_the_health_path_is_the_one_that_its_own_check_asks_for(test: str | None, health: str | None) -> None:
    block = _block(web={"ports": _ports("80"), "healthcheck": {"test": test}})
    assert block.get("health") == health


@pytest.mark.parametrize(
    ("services", "chosen"),
    [
        ({"db": {"image": "postgres:17"}, "x": {"image": "a"}}, "x"),
        ({"x": {"image": "ghcr.io/me/redis-thing@sha256:1"}, "y": {"image": "redislike/shop"}}, "y"),
        ({"nginx": {"image": "a"}, "y": {"image": "b"}}, "y"),
        ({"x": {"image": "library/traefik:3"}, "y": {"image": "b"}}, "y"),
        ({"x": {"image": "nginx", "build": {"context": "."}}, "y": {"image": "b"}}, "x"),
        ({"worker": {"image": "a"}, "y": {"image": "a"}}, "y"),
        ({"mail-jobs": {"image": "a"}, "y": {"image": "a"}}, "y"),
        ({"x": {"image": "a"}, "api": {"image": "a"}, "web": {"image": "a"}}, "web"),
        ({"x": {"image": "a"}, "backend": {"image": "a"}}, "backend"),
        ({"web": {"image": "a"}, "x": {"image": "a", "build": {"context": "."}}}, "x"),
        ({"web": {"image": "a", "host": "127.0.0.1"}, "x": {"image": "a", "host": "0.0.0.0"}}, "x"),
        ({"web": {"image": "a", "expose": True}, "x": {"image": "a"}}, "x"),
        ({"web": {"image": "a", "expose": True, "profiles": ["tools"]}, "x": {"image": "a", "expose": True}}, "x"),
        ({"web": {"image": "a", "expose": True, "profiles": ["release"]}, "x": {"image": "a", "expose": True}}, "web"),
    ],
)  # fmt: skip
def test_the_likeliest_service_is_chosen(services: dict[str, dict[str, Any]], chosen: str) -> None:
    for service in services.values():
        if service.pop("expose", None):
            service["expose"] = ["8000"]
        else:
            service["ports"] = _ports("80", host_ip=service.pop("host", None))
    assert _block(**services)["service"] == chosen


@pytest.mark.parametrize(
    ("ports", "listen", "preview"),
    [
        (_ports("80"), None, None), (_ports("8080"), 8080, None), (_ports("8080", host_ip="0.0.0.0"), 8080, None),
        (_ports("8080", host_ip="127.0.0.1"), "127.0.0.1:8080", None),
        (_ports("8080", host_ip="::1"), "[::1]:8080", None),
        (_ports("8080", host_ip="::"), 8080, None), (_ports("0"), None, None), (_ports(""), None, None),
        (_ports("8000-8010"), None, None), (_ports("8081"), 8081, "127.0.0.1:8082"),
        (_ports("8081", host_ip="10.0.0.1"), "10.0.0.1:8081", "127.0.0.1:8082"),
    ],
)  # fmt: skip
def test_it_listens_where_it_is_published_today(ports: Any, listen: object, preview: str | None) -> None:
    block = _block(web={"image": "a", "ports": ports})
    assert (block.get("listen"), block.get("preview")) == (listen, preview)


def test_a_published_proxy_of_the_file_is_stood_in_for() -> None:
    found = propose(
        {"services": {
            "nginx": {"image": "nginx:1", "ports": _ports("8443", target=80)},
            "web": {"image": "a", "expose": ["8000"]},
            "traefik": {"image": "traefik"},
        }}
    )  # fmt: skip
    assert (found.block["service"], found.block["listen"]) == ("web", 8443)
    assert dict(found.decisions)["listen"] == "8443: where nginx is published today"
    assert any(it.startswith("nginx publishes port 8443 ") for it in found.advice)
    assert "jobs" not in found.block


def _routed(host: str, path: str = "", port: int | None = 8000) -> dict[str, Any]:
    rule = f"Host(`{host}`)" + (f" && PathPrefix(`{path}`)" if path else "")
    labels = {"traefik.http.routers.r.rule": rule}
    if port:
        labels["traefik.http.services.s.loadbalancer.server.port"] = str(port)
    return {"image": "a", "labels": labels, "profiles": ["release"]}


def test_services_that_traefik_routes_become_routes() -> None:
    found = propose({"services": {"a": _routed("a.example"), "b": _routed("b.example", "/api", 9000)}})
    assert found.block["services"] == {
        "a": {"port": 8000, "health": "/", "host": "a.example"},
        "b": {"port": 9000, "health": "/", "host": "b.example", "path": "/api"},
    }
    assert dict(found.decisions)["services"] == "a, b: Traefik routes to them today"
    assert "Traefik is not in this file and stays in front" in found.advice[0]
    assert not any("add profiles" in it for it in found.advice), "both have one"
    assert _block(a=_routed("a.example"), b=_routed("b.example", port=None))["service"] == "a"


@pytest.mark.parametrize(
    ("worker", "is_job"),
    [
        ({"image": "shop"}, True), ({"image": "other"}, False), ({"build": {"context": "."}}, True),
        ({"build": {"context": "./elsewhere"}}, False), ({"image": "shop", "ports": _ports("1")}, False),
        ({"image": "shop", "profiles": ["x"]}, True),
        ({"image": "shop", "profiles": ["dev", "test"]}, False), ({"image": "shop", "profiles": ["tools"]}, False),
        ({"image": "shop", "restart": "no"}, False),
        ({"image": "shop", "restart": "always"}, True), ({"command": "x"}, False),
    ],
)  # fmt: skip
def test_jobs_are_the_same_code_without_a_port(worker: dict[str, Any], is_job: bool) -> None:
    block = _block(web={"image": "shop", "build": {"context": "."}, "ports": _ports("80")}, mailer=worker)
    assert block.get("jobs") == (["mailer"] if is_job else None)


def test_what_runs_once_is_no_job_and_is_said() -> None:
    ended = {"condition": "service_completed_successfully"}
    done = {"schema": ended, "buckets": ended, "db": {"condition": "service_healthy"}}
    web = {"image": "s", "ports": _ports("80"), "depends_on": done}
    found = propose({"services": {"web": web, "schema": {"image": "s"}, "buckets": {"image": "minio/mc"}}})
    assert "jobs" not in found.block
    assert found.block["migrate"] == {"service": "schema"}, "the same code, once, before each start"
    assert "buckets runs once with bluegreen up and not again at a switch." in found.advice
    assert not any(it.startswith("schema runs") for it in found.advice)
    assert not any(it.startswith("db runs") for it in found.advice)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"container_name": "x"},
            ["web: remove container_name; two colors cannot share one name (init --write does it)."],
        ),
        ({"network_mode": "host"}, ["web: remove network_mode; a color needs an address on the app's network."]),
        ({}, []),
    ],
)  # fmt: skip
def test_what_the_person_has_to_take_out(more: dict[str, Any], words: list[str]) -> None:
    service = {"image": "a", "ports": _ports("80"), **more}
    profile = (
        "web: add profiles: [release], so that a plain docker compose up does not start them (init --write does it)."
    )
    assert propose({"services": {"web": service}}).advice == [*words, profile]
    assert propose({"services": {"web": service | {"profiles": ["release"]}}}).advice == words


def test_other_published_services_stay_shared() -> None:
    found = propose(
        {"services": {"web": {"image": "a", "ports": _ports("80")}, "docs": {"image": "b", "ports": _ports("81")}}}
    )
    assert "docs: shared, with their own ports" in dict(found.decisions)["service"]


@pytest.mark.parametrize("name", ["web", "on", "1", "a b", "a$b", "yes", "1.5", "a.b-c"])
def test_the_block_is_yaml_that_means_what_it_says(name: str) -> None:
    routed = _routed("*.shop.example", "/a b")
    text = propose({"services": {name: _routed("a.example"), "z": routed}}).text("  ")
    assert text.startswith("  x-bluegreen:\n    services:\n")
    found = yaml.safe_load(text.replace("$$", "$"))["x-bluegreen"]["services"]
    assert found == {
        name: {"port": 8000, "health": "/", "host": "a.example"},
        "z": {"port": 8000, "health": "/", "host": "*.shop.example", "path": "/a b"},
    }
    single = propose({"services": {"web": {"image": "s", "ports": _ports("80")}, "b": {"image": "s"}}})
    assert yaml.safe_load(single.text())["x-bluegreen"] == single.block
    assert single.block["jobs"] == ["b"]
