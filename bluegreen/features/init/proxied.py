"""What a reverse proxy of a Compose file does, read from its configuration: passes on, ends TLS, serves files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from bluegreen.features.init import proxied_caddy, proxied_nginx
from bluegreen.features.init.dockerfile import of_service
from bluegreen.features.init.health import filled_in
from bluegreen.features.init.kinds import Service, Services, context, image_name, published, words
from bluegreen.features.init.passes import Does, Passed, path_of

CERTIFICATES = re.compile(r"letsencrypt|/certs?(?:/|$)|/ssl(?:/|$)|acme|/tls(?:/|$)|\.pem$|\.crt$|\.key$|certificates")
FILES = re.compile(r"static|media|assets|/html|/www|public|dist|uploads")
CONFIGURATION = re.compile(r"\.(?:conf|cfg|template|tmpl|ya?ml|toml|j2|caddy)$|/Caddyfile[^/]*$|/nginx[^/]*$|\.conf\.")
HAPROXY_SERVER = re.compile(r"^[ \t]*server\s+\S+\s+(?P<host>[\w.-]+):(?P<port>\d+)", re.MULTILINE)
APACHE = re.compile(
    r"^[ \t]*ProxyPass\s+(?P<path>/\S*)\s+[\"']?\w+://(?P<host>[\w.-]+)(?::(?P<port>\d+))?(?P<uri>/\S*)?", re.MULTILINE
)
URL = re.compile(r"https?://(?P<host>[\w.-]+):(?P<port>\d+)")


def does(name: str, services: Services, files: Mapping[str, str]) -> Does:
    """What this proxy does, from every text of it that could be read."""
    service = services[name]
    texts = [filled_in(text, service.get("environment") or {}) for text in _texts(service, files)]
    kind = kind_of(name, service, texts)
    found = Does(kind=kind, read=bool(texts))
    if kind == "traefik":
        texts = [*texts, words(service)]
        found = _traefik(texts)
    elif kind == "caddy":
        for text in [*texts, words(service)]:
            found = found.and_also(proxied_caddy.read(text))
    elif kind == "haproxy":
        for text in texts:
            found = found.and_also(_haproxy(text))
    elif kind == "httpd":
        for text in texts:
            found = found.and_also(_apache(text))
    else:
        found = found.and_also(proxied_nginx.read(texts))
    own = [*found.own, *_signs(name, services)]
    if not texts and (_is_configured(service) or service.get("network_mode") == "host"):
        own.append("what its own configuration says")
    passed = [it for one in found.passed if (it := _named(one, services))]
    return replace(found, kind=kind, own=tuple(dict.fromkeys(own)), passed=tuple(dict.fromkeys(passed)))


def kind_of(name: str, service: Service, texts: Iterable[str] = ()) -> str:
    """nginx, caddy, haproxy, httpd, traefik or another one's name."""
    image = image_name(service)
    for word in ("traefik", "haproxy", "caddy", "envoy", "kong"):
        if word in image or (not image and word in name):
            return word
    if "httpd" in image or "apache" in image:
        return "httpd"
    joined = "\n".join(texts)
    if re.search(r"^[ \t]*(?:reverse_proxy|handle_path)\b", joined, re.MULTILINE):
        return "caddy"
    return "haproxy" if re.search(r"^[ \t]*default_backend\b", joined, re.MULTILINE) else "nginx"


def _texts(service: Service, files: Mapping[str, str]) -> list[str]:
    folders = [
        str(it["source"]) for it in service.get("volumes") or [] if it.get("type") == "bind" and it.get("source")
    ]
    if folder := context(service):
        folders.append(folder)
    copied = [f"{folder}/{it}" for it in of_service(service, files).copies] if folder else []
    return [
        text
        for path, text in files.items()
        if (CONFIGURATION.search(path) or path in copied)
        and any(path == it or path.startswith(f"{it.rstrip('/')}/") for it in folders)
        and not path.endswith(("compose.yaml", "compose.yml", "package.json"))
    ]


def _is_configured(service: Service) -> bool:
    """Whether it has a configuration that was not read."""
    mounts = [str(it.get("target") or "") for it in service.get("volumes") or []]
    return bool(
        service.get("build")
        or service.get("configs")
        or any(CONFIGURATION.search(it) or "conf.d" in it for it in mounts)
    )


def _signs(name: str, services: Services) -> Iterable[str]:
    service = services[name]
    mounts = service.get("volumes") or []
    places = [f"/{PurePosixPath(str(it.get('source') or '')).name} {it.get('target') or ''}" for it in mounts]
    ports = {str(port[key]) for port in published(service) for key in ("target", "published") if port.get(key)}
    if "443" in ports or any(CERTIFICATES.search(it) for it in places):
        yield "TLS"
    if any(
        FILES.search(str(it.get("target") or "")) for it in mounts if not CONFIGURATION.search(str(it.get("target")))
    ):
        yield "static files"


def _named(one: Passed, services: Services) -> Passed | None:
    """The same with the service's name for its host name; None: it is no service of this file."""
    host = one.service
    if host in services:
        return one
    for name, service in services.items():
        aliases = [it for use in (service.get("networks") or {}).values() for it in (use or {}).get("aliases") or []]
        if host in (service.get("container_name"), service.get("hostname"), *aliases):
            return replace(one, service=name)
    return None


def _haproxy(text: str) -> Does:
    text = re.sub(r"#.*", "", text)
    sections = re.split(r"^(?=(?:frontend|backend|listen|global|defaults)\b)", text, flags=re.MULTILINE)
    servers: dict[str, list[tuple[str, int]]] = {}
    for section in sections:
        head = section.split()
        if head and head[0] in ("backend", "listen") and len(head) > 1:
            servers[head[1]] = [(it["host"], int(it["port"])) for it in HAPROXY_SERVER.finditer(section)]
    rules = dict(re.findall(r"^[ \t]*acl\s+(\S+)\s+((?:path_beg|path|hdr).*)$", text, re.MULTILINE))
    chosen: list[tuple[str, str]] = re.findall(
        r"^[ \t]*use_backend\s+(\S+)\s+if\s+\{?\s*(.+?)\s*\}?\s*$", text, re.MULTILINE
    )
    passed: list[Passed] = []
    for backend, condition in chosen:
        rule = rules.get(condition.strip(), condition)
        path = re.search(r"path_beg\S*\s+(?:-i\s+)?(/\S*)", rule)
        host = re.search(r"hdr\S*\s+(?:-i\s+)?([\w.*-]+)", rule)
        passed += [
            Passed(name, port, path_of(path[1]) if path else "/", host[1] if host else None)
            for name, port in servers.get(backend, [])
        ]
    seen = {it for it, _ in chosen}
    passed += [Passed(name, port) for key, here in servers.items() if key not in seen for name, port in here]
    own = ["TLS"] if re.search(r"^[ \t]*bind\b.*\bssl\b", text, re.MULTILINE) else []
    own += ["passwords"] if "http-request auth" in text else []
    return Does(own=tuple(own), passed=tuple(passed), read=True)


def _apache(text: str) -> Does:
    passed = [
        Passed(
            it["host"],
            int(it["port"] or 80),
            path_of(it["path"]),
            None,
            path_of(it["uri"] or "/") != path_of(it["path"]),
        )
        for it in APACHE.finditer(text)
    ]
    own = ["TLS"] if re.search(r"^[ \t]*SSLEngine\s+on", text, re.MULTILINE | re.IGNORECASE) else []
    own += ["static files"] if re.search(r"^[ \t]*DocumentRoot\b", text, re.MULTILINE) else []
    return Does(own=tuple(own), passed=tuple(passed), read=True)


def _traefik(texts: Iterable[str]) -> Does:
    text = "\n".join(texts)
    own = ["TLS"] if re.search(r"certificatesresolvers|certResolver|websecure|:443|tls:", text, re.IGNORECASE) else []
    passed = [Passed(it["host"], int(it["port"])) for it in URL.finditer(text)]
    return Does(own=tuple(own), passed=tuple(passed), read=True)


def within(path: str, folder: str) -> bool:
    """Whether a path is a folder or is in it."""
    return PurePosixPath(folder) in (PurePosixPath(path), *PurePosixPath(path).parents)
