"""A Docker Engine in memory, asked over a real Unix socket: as much of its API as bluegreen uses."""

from __future__ import annotations

import http.server
import json
import re
import socketserver
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from ipaddress import ip_network
from pathlib import Path
from typing import Any

Answer = tuple[int, Any]  # status, and what becomes JSON (bytes stay as they are)
ATTACHED = -1  # no status: the streams of a container


@dataclass
class Container:
    """What was asked for (`body`), and what became of it."""

    id: str
    name: str
    body: dict[str, Any]
    networks: dict[str, dict[str, Any]]
    state: str = "created"
    code: int = 0
    health: str | None = None
    health_log: list[dict[str, Any]] = field(default_factory=list)  # of Docker's own health check
    restarts: int = 0
    output: bytes = b""
    policy: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.body.get("Labels") or {}
        return found

    def address(self, network: str) -> str | None:
        found = (self.networks.get(network) or {}).get("IPAMConfig") or {}
        return found.get("IPv4Address")


class EngineApi:
    """The Engine. `refuse`: what it answers instead of obeying, by a pattern of METHOD /path."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.pool = 20  # bits of the prefix of the subnets that it gives
        self.volumes: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {}  # by id
        self.registry: dict[str, str] = {}  # reference -> id
        self.files: dict[tuple[str, str], bytes] = {}  # (container's name, path) -> a tar archive
        self.refuse: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.signals: list[tuple[str, str]] = []
        self.execute: Callable[[Container, list[str]], tuple[int, bytes]] = lambda _, __: (0, b"")
        self.once: Callable[[Container], tuple[int, bytes]] = lambda _: (0, b"")
        self.changed: Callable[[Container, str], None] = lambda _, __: None
        self._execs: dict[str, tuple[int, bytes]] = {}
        self._count = 0

    # -- for tests

    def named(self, name: str) -> Container:
        return next(it for it in self.containers.values() if name in (it.name, it.id))

    def pulled(self, reference: str, **facts: Any) -> str:
        """An image that is there; its id."""
        identity = f"sha256:{reference.replace(':', '-').replace('/', '-')}"
        known = self.images.setdefault(identity, {"Id": identity, "RepoTags": [], "Size": 1000, "Os": "linux"} | facts)
        known["RepoTags"] = sorted({*known["RepoTags"], reference})
        return identity

    def add(self, name: str, state: str = "running", **body: Any) -> Container:
        """A container that somebody made."""
        made = Container(f"id-{name}", name, body, body.pop("networks", {}), state)
        self.containers[made.id] = made
        return made

    # -- the API

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        self.asked.append(f"{method} {path}")
        for pattern, refusal in self.refuse.items():
            if re.search(pattern, f"{method} {path}"):
                return refusal
        for wanted, pattern, act in _ROUTES:
            found = re.fullmatch(pattern, path)
            if wanted == method and found:
                try:
                    answer: Answer = act(self, query, body, *found.groups())
                    return answer
                except StopIteration:
                    return 404, {"message": f"No such {path.split('/')[1].removesuffix('s')}: {path}"}
        return 404, {"message": f"page not found: {method} {path}"}

    def version(self, *_: Any) -> Answer:
        return 200, {"Version": "27.0.1", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}

    def info(self, *_: Any) -> Answer:
        return 200, {"DockerRootDir": "/", "SecurityOptions": ["name=seccomp"]}

    def listed(self, query: dict[str, str], *_: Any) -> Answer:
        filters = json.loads(query.get("filters") or "{}")
        found = [self._row(it) for it in self.containers.values() if _fits(it.labels, filters)]
        if "ancestor" in filters:
            found = [it for it in found if it["ImageID"] in filters["ancestor"]]
        everything = query.get("all") in ("1", "True", "true")
        return 200, [it for it in found if everything or it["State"] == "running"][
            : int(query.get("limit", -1)) % 10**6
        ]

    def _row(self, it: Container) -> dict[str, Any]:
        words = {"running": "Up 3 seconds", "exited": f"Exited ({it.code}) 1 second ago"}.get(it.state, it.state)
        bindings = (it.body.get("HostConfig") or {}).get("PortBindings") or {}
        networks = {
            name: use | {"IPAddress": it.address(name) if it.state == "running" else ""}
            for name, use in it.networks.items()
        }
        return {
            "Id": it.id, "Names": [f"/{it.name}"], "ImageID": it.body.get("Image", ""), "Labels": it.labels,
            "State": it.state, "Status": f"{words} ({it.health})" if it.health else words,
            "NetworkSettings": {"Networks": networks},
            "Ports": [
                {"PublicPort": int(at["HostPort"]), "IP": at["HostIp"], "Type": key.partition("/")[2]}
                for key, all_ in bindings.items() for at in all_
            ] if it.state == "running" else [],
        }  # fmt: skip

    def create(self, query: dict[str, str], body: Any, *_: Any) -> Answer:
        self._count += 1
        name = query.get("name") or f"nameless-{self._count}"
        if any(it.name == name for it in self.containers.values()):
            return 409, {"message": f"Conflict. The container name {name} is already in use"}
        networks = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        it = Container(f"id{self._count}", name, body, dict(networks))
        it.policy = (body.get("HostConfig") or {}).get("RestartPolicy") or {}
        self.containers[it.id] = it
        return 201, {"Id": it.id}

    def inspect(self, _: Any, __: Any, key: str) -> Answer:
        it = self.named(key)
        state = {
            "Status": it.state, "Running": it.state == "running", "Paused": it.state == "paused", "ExitCode": it.code,
            "Error": "",
            **({"Health": {"Status": it.health, "Log": it.health_log}} if it.health else {}),
        }  # fmt: skip
        given: dict[str, Any] = {name: it.body[name] for name in ("User", "Env") if name in it.body}
        config = {"Labels": it.labels, "Tty": True, "Healthcheck": it.body.get("Healthcheck"), **given}
        networks = {name: {"IPAddress": it.address(name) or ""} for name in it.networks}
        return 200, {
            "Id": it.id, "Name": f"/{it.name}", "State": state, "Config": config, "RestartCount": it.restarts,
            "NetworkSettings": {"Networks": networks},
        }  # fmt: skip

    def unpause(self, _: Any, __: Any, key: str) -> Answer:
        it = self.named(key)
        if it.state != "paused":
            return 500, {"message": "Container is not paused"}
        it.state = "running"
        self.changed(it, "unpause")
        return 204, b""

    def start(self, _: Any, __: Any, key: str) -> Answer:
        it = self.named(key)
        if it.state == "paused":
            return 409, {"message": "cannot start a paused container, try unpause instead"}
        if it.state in ("dead", "removing"):
            return 409, {"message": "container is marked for removal and cannot be started"}
        if it.state == "restarting":
            return 304, b""  # it is about to
        it.state = "running"
        if it.labels.get("bluegreen.role") in ("once", "migration"):
            it.code, it.output = self.once(it)
            it.state = "exited"
        self.changed(it, "start")
        return 204, b""

    def stop(self, _: Any, __: Any, key: str) -> Answer:
        it = self.named(key)
        it.state = "exited"
        self.changed(it, "stop")
        return 204, b""

    def restart(self, query: Any, body: Any, key: str) -> Answer:
        self.stop(query, body, key)
        return self.start(query, body, key)

    def kill(self, query: dict[str, str], _: Any, key: str) -> Answer:
        it = self.named(key)
        self.signals.append((it.name, query["signal"]))
        self.changed(it, query["signal"])
        return 204, b""

    def update(self, _: Any, body: Any, key: str) -> Answer:
        self.named(key).policy = body["RestartPolicy"]
        return 200, {"Warnings": []}

    def rename(self, query: dict[str, str], _: Any, key: str) -> Answer:
        if any(it.name == query["name"] for it in self.containers.values()):
            return 409, {"message": f"Conflict. The container name {query['name']} is already in use"}
        self.named(key).name = query["name"]
        return 204, b""

    def attach(self, _: Any, __: Any, key: str) -> Answer:
        return ATTACHED, self.named(key)

    def wait(self, _: Any, __: Any, key: str) -> Answer:
        return 200, {"StatusCode": self.named(key).code}

    def remove(self, query: dict[str, str], _: Any, key: str) -> Answer:
        it = self.named(key)
        it.body["removed_with_volumes"] = query.get("v")
        self.changed(it, "stop")
        del self.containers[it.id]
        return 204, b""

    def logs(self, query: dict[str, str], _: Any, key: str) -> Answer:
        lines = self.named(key).output.splitlines(keepends=True)
        return 200, b"".join(lines if query.get("tail", "all") == "all" else lines[-int(query["tail"]) :])

    def top(self, *_: Any) -> Answer:
        return 200, {"Titles": ["PID", "RSS"], "Processes": [["7", str(30 * 1024)], ["8", str(10 * 1024)], ["9", "-"]]}

    def put_archive(self, query: dict[str, str], body: bytes, key: str) -> Answer:
        self.files[self.named(key).name, query["path"] + "?" + query.get("copyUIDGID", "")] = body
        return 200, b""

    def exec_create(self, _: Any, body: Any, key: str) -> Answer:
        name = f"exec{len(self._execs)}"
        self._execs[name] = self.execute(self.named(key), body["Cmd"])
        return 201, {"Id": name}

    def exec_inspect(self, _: Any, __: Any, name: str) -> Answer:
        return 200, {"ExitCode": self._execs[name][0]}

    def exec_start(self, _: Any, __: Any, name: str) -> Answer:
        output = self._execs[name][1]
        return 0, b"\1\0\0\0" + len(output).to_bytes(4, "big") + output  # 0: bytes of a raw stream

    # -- networks, volumes, images

    def network_list(self, query: dict[str, str], *_: Any) -> Answer:
        filters = json.loads(query.get("filters") or "{}")
        names = filters.get("name")
        return 200, [
            it for it in self.networks.values()
            if _fits(it["Labels"] or {}, filters) and (not names or any(re.search(name, it["Name"]) for name in names))
        ]  # fmt: skip

    def network_create(self, _: Any, body: Any, *__: Any) -> Answer:
        taken = [ip_network(pool["Subnet"]) for it in self.networks.values() for pool in it["IPAM"]["Config"]]
        pools = (body.get("IPAM") or {}).get("Config")
        if pools and any(ip_network(pool["Subnet"]).overlaps(it) for pool in pools for it in taken):
            return 403, {"message": "Pool overlaps with other one on this address space"}
        every = ip_network("172.16.0.0/12").subnets(new_prefix=self.pool)
        pools = pools or [{"Subnet": str(next(it for it in every if not any(map(it.overlaps, taken))))}]
        self.networks[body["Name"]] = {
            "Id": f"net-{body['Name']}", "Name": body["Name"], "Labels": body.get("Labels"), "IPAM": {"Config": pools},
            "Internal": bool(body.get("Internal")),
        }  # fmt: skip
        return 201, {"Id": f"net-{body['Name']}"}

    def _network(self, key: str) -> dict[str, Any]:
        return next(it for it in self.networks.values() if key in (it["Id"], it["Name"]))

    def network_inspect(self, _: Any, __: Any, key: str) -> Answer:
        return 200, self._network(key)

    def network_remove(self, _: Any, __: Any, key: str) -> Answer:
        del self.networks[self._network(key)["Name"]]
        return 204, b""

    def network_connect(self, _: Any, body: Any, key: str) -> Answer:
        it = self.named(body["Container"])
        it.networks[self._network(key)["Name"]] = body.get("EndpointConfig") or {}
        return 200, b""

    def volume_list(self, query: dict[str, str], *_: Any) -> Answer:
        filters = json.loads(query.get("filters") or "{}")
        return 200, {"Volumes": [it for it in self.volumes.values() if _fits(it["Labels"], filters)] or None}

    def volume_create(self, _: Any, body: Any, *__: Any) -> Answer:
        found = {"Name": body["Name"], "Labels": body.get("Labels") or {}, "Mountpoint": f"/volumes/{body['Name']}"}
        self.volumes[body["Name"]] = found
        return 201, found

    def volume_inspect(self, _: Any, __: Any, name: str) -> Answer:
        return (200, self.volumes[name]) if name in self.volumes else (404, {"message": "no such volume"})

    def volume_remove(self, _: Any, __: Any, name: str) -> Answer:
        return (204, b"") if self.volumes.pop(name, None) else (404, {"message": "no such volume"})

    def _image(self, key: str) -> dict[str, Any]:
        return next(it for it in self.images.values() if key == it["Id"] or key in it["RepoTags"])

    def image_inspect(self, _: Any, __: Any, key: str) -> Answer:
        return 200, self._image(urllib.parse.unquote(key))

    def image_list(self, query: dict[str, str], *_: Any) -> Answer:
        wanted = json.loads(query.get("filters") or "{}").get("reference", ["*"])
        fits = [
            it for it in self.images.values() if any(fnmatch(name, one) for name in it["RepoTags"] for one in wanted)
        ]
        return 200, [{"Id": it["Id"], "RepoTags": it["RepoTags"]} for it in fits]

    def image_pull(self, query: dict[str, str], *_: Any) -> Answer:
        reference = query["fromImage"] + (f":{query['tag']}" if query.get("tag") else "")
        if reference not in self.registry:
            return 404, {"message": f"pull access denied for {reference}"}
        self.pulled(reference)
        lines = [{"id": reference, "status": "Pulling"}, {"id": "a", "status": "Pull complete"}, {"status": "Done"}]
        return 200, "\r\n".join(map(json.dumps, lines)).encode()

    def image_remove(self, _: Any, __: Any, key: str) -> Answer:
        it, key = self._image(urllib.parse.unquote(key)), urllib.parse.unquote(key)
        it["RepoTags"] = [name for name in it["RepoTags"] if name != key]
        if not it["RepoTags"]:
            del self.images[it["Id"]]
        return 200, [{"Deleted": key}]

    def image_tag(self, query: dict[str, str], _: Any, key: str) -> Answer:
        self._image(key)["RepoTags"].append(f"{query['repo']}:{query['tag']}")
        return 201, b""

    def distribution(self, _: Any, __: Any, key: str) -> Answer:
        known = self.registry.get(urllib.parse.unquote(key))
        return (200, {"Descriptor": {"digest": known}}) if known else (403, {"message": "denied: requested access"})


_ONE, _ANY = r"([^/]+)", r"(.+)"
_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", "/version", EngineApi.version), ("GET", "/info", EngineApi.info),
    ("GET", "/containers/json", EngineApi.listed), ("POST", "/containers/create", EngineApi.create),
    ("GET", f"/containers/{_ONE}/json", EngineApi.inspect), ("POST", f"/containers/{_ONE}/start", EngineApi.start),
    ("POST", f"/containers/{_ONE}/unpause", EngineApi.unpause),
    ("POST", f"/containers/{_ONE}/stop", EngineApi.stop), ("POST", f"/containers/{_ONE}/restart", EngineApi.restart),
    ("POST", f"/containers/{_ONE}/kill", EngineApi.kill), ("POST", f"/containers/{_ONE}/update", EngineApi.update),
    ("POST", f"/containers/{_ONE}/attach", EngineApi.attach), ("POST", f"/containers/{_ONE}/rename", EngineApi.rename),
    ("POST", f"/containers/{_ONE}/wait", EngineApi.wait), ("DELETE", f"/containers/{_ONE}", EngineApi.remove),
    ("GET", f"/containers/{_ONE}/top", EngineApi.top),
    ("GET", f"/containers/{_ONE}/logs", EngineApi.logs), ("PUT", f"/containers/{_ONE}/archive", EngineApi.put_archive),
    ("POST", f"/containers/{_ONE}/exec", EngineApi.exec_create), ("GET", f"/exec/{_ONE}/json", EngineApi.exec_inspect),
    ("POST", f"/exec/{_ONE}/start", EngineApi.exec_start), ("GET", "/networks", EngineApi.network_list),
    ("POST", "/networks/create", EngineApi.network_create), ("GET", f"/networks/{_ONE}", EngineApi.network_inspect),
    ("DELETE", f"/networks/{_ONE}", EngineApi.network_remove),
    ("POST", f"/networks/{_ONE}/connect", EngineApi.network_connect), ("GET", "/volumes", EngineApi.volume_list),
    ("POST", "/volumes/create", EngineApi.volume_create), ("GET", f"/volumes/{_ONE}", EngineApi.volume_inspect),
    ("DELETE", f"/volumes/{_ONE}", EngineApi.volume_remove), ("GET", f"/images/{_ANY}/json", EngineApi.image_inspect),

    ("GET", "/images/json", EngineApi.image_list),
    ("POST", "/images/create", EngineApi.image_pull), ("POST", f"/images/{_ANY}/tag", EngineApi.image_tag),
    ("DELETE", f"/images/{_ANY}", EngineApi.image_remove),
    ("GET", f"/distribution/{_ANY}/json", EngineApi.distribution),
]  # fmt: skip


def _fits(labels: dict[str, str], filters: dict[str, list[str]]) -> bool:
    pairs = [text.partition("=") for text in filters.get("label", [])]
    return all(labels.get(name) == value if equals else name in labels for name, equals, value in pairs)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: EngineApi

    def _serve(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(sent) if sent and self.headers.get("Content-Type") == "application/json" else sent
        status, found = self.engine.answer(self.command, re.sub(r"^/v1\.\d+", "", address.path), query, body)
        if status == ATTACHED:
            self._attached(found)
            return
        content = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status or 200)
        kind = "vnd.docker.raw-stream" if isinstance(found, bytes) else "json"
        self.send_header("Content-Type", f"application/{kind}")
        chunked = address.path.endswith("/images/create") and status == 200
        if chunked:  # docker-py reads one event after the other only of such an answer
            self.send_header("Transfer-Encoding", "chunked")
            content = f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n"
        elif status:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.flush()
        if not status:  # docker-py reads such a stream from the socket itself, not from what it has buffered
            self.close_connection = True
            time.sleep(0.01)
        self.wfile.write(content)

    def _attached(self, it: Container) -> None:
        """What a container writes, once it is started."""
        self.send_response(101)
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.end_headers()
        self.wfile.flush()
        deadline = time.monotonic() + 5
        while it.state == "created" and it.id in self.engine.containers and time.monotonic() < deadline:
            time.sleep(0.002)
        self.wfile.write(b"\1\0\0\0" + len(it.output).to_bytes(4, "big") + it.output)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 - the library's

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
        pass


class _Listening(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


class Serving:
    """An Engine that listens on a socket while it is entered."""

    def __init__(self, engine: EngineApi, path: Path) -> None:
        self._server = _Listening(str(path), type("Handler", (_Handler,), {"engine": engine}))

    def __enter__(self) -> Serving:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
