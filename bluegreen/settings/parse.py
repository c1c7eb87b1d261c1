"""Validates the block: the settings as values, or every problem in one report."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import (
    ValidationError,
)

from bluegreen.domain import app as model
from bluegreen.domain import asked, loopback
from bluegreen.domain.tls import Tls
from bluegreen.settings import compare, edge, tls
from bluegreen.settings.blocks import (
    LATER,
    Block,
    ExpectBlock,
    FilesBlock,
    HealthBlock,
    HookBlock,
    HooksBlock,
    InternalBlock,
    MigrateBlock,
    ProxyBlock,
    ServiceBlock,
)
from bluegreen.settings.canary import ByBlock, CanaryBlock
from bluegreen.settings.strict import StrictBlock
from bluegreen.settings.tls import DnsBlock, TlsBlock
from bluegreen.settings.watch import WatchBlock

MOST_PROBLEMS = 100  # in one report
LONGEST_NAME = 100  # characters that are compared with known names


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, what is expected."""

    path: str
    found: str
    expected: str
    nearest: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.path}: found {self.found}, expected {self.expected}{hint}"


class InvalidSettings(Exception):
    """Carries every problem of a block."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def parse_settings(block: object, service_names: Iterable[str]) -> model.Settings:
    """Settings from the resolved `x-bluegreen` block of an app with these services.

    Raises InvalidSettings with all problems.
    """
    names = tuple(service_names)
    try:
        parsed = Block.model_validate(block if isinstance(block, Mapping) else {"": block})
    except ValidationError as error:
        found = error.errors(include_url=False)[:MOST_PROBLEMS]
        raise InvalidSettings(_problem(entry, block) for entry in found) from None
    if problems := [*_own_problems(parsed), *_service_problems(parsed, names), *_listen_problems(parsed)]:
        raise InvalidSettings(problems)
    settings = model.Settings(
        routes=_routes(parsed),
        jobs=tuple(parsed.jobs),
        listen=edge.listens(parsed.listen),
        preview=parsed.preview,
        drain=parsed.drain,
        failover=parsed.failover,
        proxy=model.ProxySettings(
            parsed.proxy.image, parsed.proxy.max_body, parsed.proxy.read_timeout,
            tuple(parsed.proxy.trust), parsed.proxy.include, parsed.proxy.websocket_timeout,
            parsed.proxy.max_request_headers, parsed.proxy.max_answer_headers, parsed.proxy.underscores,
            parsed.proxy.error_pages, parsed.proxy.labels, tuple(dict.fromkeys(parsed.proxy.networks)),
        ),
        migrate=_migration(parsed.migrate),
        hooks=parsed.hooks.hooks(),
        require=tuple(dict.fromkeys(parsed.require)),
        expected=parsed.expected, keep=parsed.keep, watch=parsed.watch.watch(),
        redirect=parsed.redirect,
        tls=_tls(parsed),
        files=tuple(
            model.FilesAt(_prefix(prefix), it.service or "", (it.path or "").rstrip("/"), it.volume or "")
            for prefix, it in parsed.files.items()
        ),
        assets=tuple(map(_prefix, parsed.assets)),
        edge=_edge(parsed), compare=parsed.compare.compare(), notify=compare.urls(parsed.notify),
        canary=parsed.canary.canary(),
    )  # fmt: skip
    wrong = [Problem(*it) for it in (*tls.problems(settings), *tls.unused(parsed.tls), *edge.problems(parsed))]
    if problems := [*_trust_problems(settings), *_host_problems(settings, parsed), *wrong]:
        raise InvalidSettings(problems)
    return settings


def _edge(parsed: Block) -> model.Edge | None:
    return parsed.edge.edge() if edge.WORD in parsed.listen else None


def _tls(parsed: Block) -> Tls | None:
    """On an edge HTTPS comes in where that one is published."""
    found, on = parsed.tls.tls() if parsed.tls else None, _edge(parsed)
    return replace(found, listen=on.tls) if found and on else found


def _migration(block: MigrateBlock | None) -> model.Migration | None:
    if block is None:
        return None
    return model.Migration(model.Task(tuple(block.command or ()), block.service, block.timeout), block.reversible)


def _routes(parsed: Block) -> tuple[model.Route, ...]:
    services = dict(parsed.services)
    if parsed.service and parsed.port:
        services[parsed.service] = ServiceBlock(port=parsed.port)
    default = parsed.health.health()
    return tuple(
        model.Route(
            name,
            block.port,
            path,
            host,
            block.health.health() if block.health else default,
            block.strip,
            block.buffering,
            tuple(map(str, block.listen or ())),
        )
        for name, block in services.items()
        for host, path in _places(block)
    ) + tuple(
        model.Route(name, block.port or 0, "", None, block.health.health() if block.health else default)
        for name, block in parsed.internal.items()
    )


def _places(block: ServiceBlock) -> list[tuple[str | None, str]]:
    """(host or None, path) of each place of a service."""
    hosts: list[str | None] = [*block.host] if block.host else [None]
    return [(host, _prefix(path)) for host in hosts for path in block.path]


def _own_problems(parsed: Block) -> Iterable[Problem]:
    """Of values that no message may quote."""
    yield from _header_problems(parsed)
    yield from (Problem(*it) for it in compare.wrong_urls(parsed.notify))


def _header_problems(parsed: Block) -> Iterable[Problem]:
    own = [(f"services.{name}.health", block.health) for name, block in parsed.services.items()]
    for where, health in [("health", parsed.health), *own]:
        for name, found, expected in asked.wrong(health.headers, parsed.proxy.underscores) if health else ():
            yield Problem(f"{where}.headers{f'.{name[:LONGEST_NAME]}' if name else ''}", found, expected)


def _host_problems(settings: model.Settings, parsed: Block) -> Iterable[Problem]:
    """A check asks the replica directly, and through nginx too: both must reach the same service."""
    for route, expected in asked.misrouted(settings.routes):
        block = parsed.services.get(route.service)
        where = f"services.{route.service}.health" if block and block.health else "health"
        yield Problem(f"{where}.headers.Host", asked.header(route.health.request_headers, "host") or "", expected)


def _prefix(path: str) -> str:
    return path.rstrip("/") or "/"


def _service_problems(parsed: Block, names: tuple[str, ...]) -> Iterable[Problem]:
    if parsed.service and parsed.services:
        yield Problem("service", parsed.service, "either service and port, or services")
    elif parsed.service and not parsed.port:
        yield Problem("port", "nothing", "the port that the service listens on, such as 8000")
    elif not parsed.service and not parsed.services:
        yield Problem("service", "nothing", "the service that gets traffic: service and port, or services")
    elif parsed.port and not parsed.service:
        yield Problem("port", str(parsed.port), "service next to it; under services, each one has its own port")
    named = [("service", parsed.service)] if parsed.service else []
    named += [(f"services.{name}", name) for name in parsed.services] + [(f"jobs.{name}", name) for name in parsed.jobs]
    named += [(f"internal.{name}", name) for name in parsed.internal]
    named += [("migrate.service", parsed.migrate.service)] if parsed.migrate else []
    named += [(f"hooks.{name}.service", hook.service) for name, hook in _hooks(parsed) if hook.service]
    for path, name in named:
        if name not in names:
            yield Problem(
                path,
                name or "nothing",
                f"a service of the Compose file ({', '.join(names)})",
                _nearest(name or "", names),
            )
    yield from _part_problems(parsed)
    yield from _file_problems(parsed, names)
    yield from _hook_problems(parsed)
    yield from _clashes(parsed)


def _part_problems(parsed: Block) -> Iterable[Problem]:
    """A service is routed, or internal, or a job."""
    for name, options in parsed.jobs.items():
        if options:
            yield Problem(f"jobs.{name}", ", ".join(options), "no options in this version")
        if name == parsed.service or name in parsed.services:
            yield Problem(f"jobs.{name}", name, "a service that gets no traffic")
    for name in parsed.internal:
        if name == parsed.service or name in {**parsed.services, **parsed.jobs}:
            yield Problem(f"internal.{name}", name, "a service that has no other part: it is routed, or a job, already")


def _file_problems(parsed: Block, names: tuple[str, ...]) -> Iterable[Problem]:
    """Each prefix is of a service's folder, or of a volume."""
    released = {*parsed.services, *parsed.internal, *([parsed.service] if parsed.service else [])}
    seen: set[str] = set()
    for written, it in parsed.files.items():
        where, prefix = f"files.{written}", _prefix(written)
        if prefix == "/":
            yield Problem(where, "/", "a prefix below it, such as /static/")
        if prefix in seen:
            yield Problem(where, written, "each prefix once")
        seen.add(prefix)
        if bool(it.volume) == bool(it.service or it.path) or bool(it.service) != bool(it.path):
            yield Problem(where, "something else", "service and path, or volume")
        elif it.service and it.service not in released:
            yield Problem(f"{where}.service", it.service, f"a service of the release ({', '.join(sorted(released))})",
                          _nearest(it.service, names))  # fmt: skip
    for prefix in parsed.assets:
        if _prefix(prefix) == "/":
            yield Problem("assets", "/", "prefixes below it, such as /assets/")


def _hooks(parsed: Block) -> list[tuple[str, model.Task]]:
    return [(name, hook) for name, all_of_it in parsed.hooks.hooks().items() for hook in all_of_it]


def _hook_problems(parsed: Block) -> Iterable[Problem]:
    for name, hook in _hooks(parsed):
        if not hook.service and not hook.command:
            yield Problem(f"hooks.{name}", "neither command nor service", "a command, or a service to run it in")


def _clashes(parsed: Block) -> Iterable[Problem]:
    seen: dict[tuple[str | None, str], str] = {}
    shared = {name: block for name, block in parsed.services.items() if not block.listen}
    if parsed.services and not shared:
        yield Problem("services", "each with a listen of its own", "a service without one, that `listen` leads to")
    places = [(name, *place) for name, block in shared.items() for place in _places(block)]
    for name, host, path in places:
        if (owner := seen.setdefault((host, path), name)) != name:
            found = f"{host or ''}{path}"
            yield Problem(f"services.{name}.path", found, f"another path (services.{owner} has this one)")
    for name, target in parsed.redirect.items():
        claimed = [f"services.{service}.host" for service, host, _ in places if host == name]
        if claimed:
            yield Problem(f"redirect.{name}", name, f"a host that no service has ({claimed[0]} has it)")
        if target in parsed.redirect or target.startswith("*"):
            yield Problem(f"redirect.{name}", target, "one host, that is not redirected itself")


def _listen_problems(parsed: Block) -> Iterable[Problem]:
    ports = {listen.port for listen in edge.listens(parsed.listen)}
    if len(set(parsed.listen)) < len(parsed.listen):
        yield Problem("listen", ", ".join(map(str, parsed.listen)), "each address once")
    if parsed.preview and parsed.preview.port in ports:
        yield Problem("preview", str(parsed.preview), "a port that listen does not use")
    taken = ports | ({parsed.preview.port} if parsed.preview else set())
    taken |= {it.port for it in parsed.tls.listen} if parsed.tls else set()
    for name, block in parsed.services.items():
        for it in block.listen or ():
            if it.port in taken:
                yield Problem(f"services.{name}.listen", str(it), "a port that nothing else here uses")
        taken |= {it.port for it in block.listen or ()}


def _trust_problems(settings: model.Settings) -> Iterable[Problem]:
    """Refuses what nginx cannot tell apart: a visitor could pass for a trusted proxy."""
    here, others = loopback.trusted(settings), loopback.reached_by_others(settings)
    if here and others:
        key = "preview" if others == (settings.preview,) else "listen"
        yield Problem(
            "proxy.trust", f"{here[0]} (this machine) while {key} is {', '.join(map(str, others))}",
            f"{key} on a loopback address, such as 127.0.0.1:{others[0].port}; or proxy.trust without {here[0]}. On a"
            " port that others can reach, nginx sees the same address for this machine and for visitors by IPv6",
        )  # fmt: skip
    if settings.proxy.underscores and settings.proxy.trust:
        yield Problem(
            "proxy.underscores", "true while proxy.trust is set",
            "one of the two: nginx takes X_Forwarded_Proto of a visitor for X-Forwarded-Proto of the trusted proxy",
        )  # fmt: skip


def _problem(entry: Any, block: object) -> Problem:
    where = [str(part) or "''" for part in _written(entry["loc"], block)]
    path = ".".join(part[:LONGEST_NAME] for part in where) if isinstance(block, Mapping) else "x-bluegreen"
    kind, found = entry["type"], _shown(entry["input"])
    if kind == "extra_forbidden":
        if len(where) == 1 and where[0] in LATER:
            return Problem(path, found, "no such key in this version")
        if not isinstance(block, Mapping):
            return Problem("x-bluegreen", _shown(block), "a mapping with at least service and port")
        return Problem(path, "an unknown key", "a known key", _nearest(where[-1], _known_keys(where)))
    if kind == "missing":
        return Problem(path, "nothing", "a value")
    message = str(entry.get("ctx", {}).get("error", "")) or entry["msg"]
    return Problem(path, found, re.sub(r"^Input should be ", "", message))


def _written(place: tuple[int | str, ...], block: object) -> tuple[int | str, ...]:
    """A place without the number that one value has that is written in the place of a list of itself alone."""
    value: Any = block
    for part in place[:-1]:
        value = value.get(part) if isinstance(value, Mapping) else value
    return place[:-1] if place and isinstance(place[-1], int) and not isinstance(value, list) else place


def _known_keys(where: list[str]) -> list[str]:
    blocks: dict[str, type[StrictBlock]] = {
        "health": HealthBlock, "expect": ExpectBlock, "proxy": ProxyBlock, "migrate": MigrateBlock, "hooks": HooksBlock,
        "tls": TlsBlock, "edge": edge.EdgeBlock, "dns": DnsBlock, "files": FilesBlock, "watch": WatchBlock,
        "compare": compare.CompareBlock, "canary": CanaryBlock, "by": ByBlock,
        **dict.fromkeys(model.HOOKS, HookBlock),
    }  # fmt: skip
    where = [part for part in where if not part.isdecimal()]
    parent = where[-2] if len(where) > 1 else ""
    block: type[StrictBlock] = Block
    if parent:
        named: dict[str, type[StrictBlock]] = {
            "services": ServiceBlock, "internal": InternalBlock, "files": FilesBlock,
        }  # fmt: skip
        block = named[where[0]] if len(where) == 3 and where[0] in named else blocks.get(parent, Block)
    return [field.alias or name for name, field in block.model_fields.items()]


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name[:LONGEST_NAME], list(known), n=1, cutoff=0.5)), "")


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
