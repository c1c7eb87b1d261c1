"""The smallest `x-bluegreen` block for a Compose file that has none, with its reasons. Pure.

Reads Compose's resolved document, and the given files beside it. A guess is called a guess: a person reads it before
anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bluegreen.features.init import advise, blocktext, dockerfile, front_proxy, kinds, migrations, pairs, routed
from bluegreen.features.init.front_proxy import BRIDGE, Proxy
from bluegreen.features.init.fronts import Files, Front, candidates
from bluegreen.features.init.kinds import Services
from bluegreen.features.init.pairs import Pair


@dataclass(frozen=True)
class Question:
    """What the files do not say. `choices`: the possible answers; without one, the first is proposed."""

    words: str
    choices: tuple[tuple[str, int], ...]  # service, port


@dataclass
class Proposal:
    """A block, and a reason for each thing that was decided; `advice` is for the person to do."""

    block: dict[str, Any] = field(default_factory=dict)
    decisions: list[tuple[str, str]] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    question: Question | None = None
    fronts: list[Front] = field(default_factory=list)  # the routed services
    pairs: list[Pair] = field(default_factory=list)  # services that become one
    take_out: list[tuple[str, str]] = field(default_factory=list)  # (service, key) that no color can have
    replaced: list[str] = field(default_factory=list)  # proxies that bluegreen's nginx replaces

    @property
    def renamed(self) -> dict[str, str]:
        return {it.kept: it.name for it in self.pairs if it.kept != it.name}

    @property
    def gone(self) -> list[str]:
        """Services that should be removed from the file."""
        return [*(other for it in self.pairs for other in it.others), *self.replaced]

    def text(self, indent: str = "") -> str:
        """The block as YAML for a Compose file (`$` doubled)."""
        return blocktext.text(self.block, indent)


@dataclass(frozen=True)
class Answer:
    """What a person said: the service, and its port when that was asked."""

    service: str | None = None
    port: int | None = None


def propose(
    document: Mapping[str, Any],
    files: Files | None = None,
    project: str = "",
    answer: Answer | None = None,
    bridge: str = BRIDGE,
) -> Proposal:
    """The proposal for Compose's document of a file. `block` is empty when no service takes HTTP.

    `files`: texts by their full paths; `project`: the folder of the Compose file; `answer`: to a question that was
    asked before; `bridge`: the address at which containers reach this machine.
    """
    files, answer = files or {}, answer or Answer()
    found = pairs.find(document.get("services") or {})
    services = _with_bases(pairs.merged(document, found).get("services") or {}, files)
    proxies = front_proxy.find(services, files, found)
    passed = tuple(it for proxy in proxies for it in proxy.does.passed)
    fronts = candidates(services, files, passed)
    proposal = Proposal(pairs=[it for it in found if it.name in services])
    chosen = routed.with_inner(routed.choose(fronts, services, answer), fronts, services, files)
    proposal.question = _question(fronts, chosen, answer)
    if not chosen.fronts:
        proposal.advice += advise.without_front([it.name for it in fronts], services)
        return proposal
    proxies = front_proxy.with_others(proxies, services, {it.name for it in chosen.fronts})
    proposal.fronts = chosen.fronts
    if not front_proxy.stays(proxies, chosen.fronts):
        proposal.replaced = [it.name for it in proxies if it.name and it.does.read]
    _fill(proposal, chosen, services, proxies, bridge)
    proposal.advice += chosen.notes
    released = [it.name for it in chosen.fronts]
    if jobs := _jobs(services, released, {it.name for it in proxies if it.name}):
        proposal.block["jobs"] = list(jobs)
        proposal.decisions += [("jobs", f"{name}: {why}") for name, why in jobs.items()]
    released += list(jobs)
    migration = migrations.find(services, released, files, project)
    if migration:
        proposal.block["migrate"] = migration.block
        proposal.decisions.append(("migrate", f"{migration.why}; it runs once for each release, before traffic"))
    _proxy_settings(proposal, proxies, chosen.fronts)
    advise.add(proposal, services, released, proxies, migration, project)
    return proposal


def _with_bases(services: Services, files: Files) -> Services:
    """Each service with the image that its Dockerfile starts from: a proxy that is built here looks like any other."""
    return {
        name: {**service, kinds.BASE: base} if (base := dockerfile.of_service(service, files).base) else service
        for name, service in services.items()
    }


def _question(fronts: list[Front], chosen: routed.Chosen, answer: Answer) -> Question | None:
    if answer.service:
        return None
    if not chosen.fronts:
        names = tuple((it.name, 0) for it in fronts)
        return (
            Question("No service says on which port it answers HTTP. Which one should nginx send traffic to?", names)
            if names
            else None
        )
    if chosen.rivals:
        both = [chosen.fronts[0], *chosen.rivals]
        return Question(
            "More than one service is published. Which one should nginx send traffic to?",
            tuple((it.name, it.port or 0) for it in both),
        )  # fmt: skip
    return None


def _fill(proposal: Proposal, chosen: routed.Chosen, services: Services, proxies: list[Proxy], bridge: str) -> None:
    fronts = chosen.fronts
    block, said = proposal.block, proposal.decisions
    if len(fronts) > 1:
        block["services"] = {it.name: _entry(it) for it in fronts}
        said.append(("services", chosen.why))
        said += [("port", f"{it.name} {it.port}: {it.why_port}") for it in fronts]
        said += [("health", f"{it.name} {it.health or '/'}: {it.why_health or GUESS}") for it in fronts]
    else:
        _one(proposal, fronts[0], chosen.why)
    listen = front_proxy.listen(fronts, services, proxies, bridge)
    if listen.at != "80":
        block["listen"] = int(listen.at) if listen.at.isdigit() else listen.at
    said.append(("listen", f"{listen.at}{listen.why}"))
    port = front_proxy.preview(listen.at, services, [it.name for it in fronts])
    if port != front_proxy.PREVIEW:
        block["preview"] = f"127.0.0.1:{port}"
        said.append(("preview", f"127.0.0.1:{port}: the default {front_proxy.PREVIEW} is taken"))


GUESS = "a guess, no health check names a path; it must answer 200"


def _one(proposal: Proposal, front: Front, why: str) -> None:
    proposal.block["service"] = front.name
    proposal.block["port"] = front.port
    proposal.decisions.append(("service", why))
    proposal.decisions.append(("port", f"{front.port}, {front.why_port}"))
    if front.health != "/health":
        proposal.block["health"] = front.health or "/"
    proposal.decisions.append(("health", f"{front.health or '/'}: {front.why_health or GUESS}"))


def _entry(front: Front) -> dict[str, Any]:
    entry: dict[str, Any] = {"port": front.port}
    if front.health != "/health":
        entry["health"] = front.health or "/"
    if front.host:
        entry["host"] = front.host
    if front.path != "/":
        entry["path"] = front.path
    return entry


def _jobs(services: Services, released: list[str], proxies: set[str]) -> dict[str, str]:
    """The jobs of a file, each with its reason: workers of the project, and the same code without a port."""
    found = {}
    for name, service in services.items():
        if name in (*released, *proxies) or kinds.is_other(name, service) or kinds.is_proxy(name, service):
            continue
        if (
            kinds.is_development(service)
            or kinds.runs_once(name, service, services)
            or kinds.is_template(name, service)
        ):
            continue
        if kinds.sounds_routed(name, service):
            continue
        worker = kinds.is_worker(name, service)
        if kinds.published(service) and not kinds.WORKER_COMMAND.search(kinds.words(service)):
            continue
        same = next((it for it in released if kinds.same_code(service, services[it])), None)
        if same is None and not (worker and kinds.built(service)):
            continue
        if same is None:
            found[name] = "a worker that is built here"
        elif service.get("image") and service.get("image") == services[same].get("image"):
            found[name] = f"runs the image of {same} and publishes no port"
        else:
            found[name] = f"builds from the same folder as {same} and publishes no port"
    return found


def _proxy_settings(proposal: Proposal, proxies: list[Proxy], fronts: list[Front]) -> None:
    """Trusts what a proxy in front says about a visitor, if one stays there."""
    if front_proxy.stays(proxies, fronts):
        proposal.block["proxy"] = {"trust": [front_proxy.TRUST]}
        proposal.decisions.append(
            (
                "proxy",
                f"trust {front_proxy.TRUST}: Docker's networks, from which the proxy in front connects",
            )
        )
