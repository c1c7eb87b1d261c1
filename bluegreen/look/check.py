"""May I release this? Looks at everything that a switch will need; changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bluegreen.domain import findings
from bluegreen.domain.answers import Expectation
from bluegreen.domain.app import Stack
from bluegreen.domain.findings import Finding
from bluegreen.domain.routing import Slot, too_old
from bluegreen.domain.verdict import expectation
from bluegreen.domain.words import counted
from bluegreen.domain.world import EngineFacts, World
from bluegreen.errors import BluegreenError
from bluegreen.flow.adopt import PortHeld, held_ports
from bluegreen.flow.answers import compare
from bluegreen.flow.checks import retries
from bluegreen.flow.making import Request
from bluegreen.flow.observe import observe
from bluegreen.flow.probes import replica_checks
from bluegreen.flow.proxy_image import moved, taken_over
from bluegreen.flow.shared import DIFFERS, asleep
from bluegreen.flow.switch import plan_switch
from bluegreen.flow.values import Tools
from bluegreen.look import neighbours, served
from bluegreen.look.listeners import listeners
from bluegreen.plans.differences import unhealthy_replicas
from bluegreen.plans.flip_back import plan_flip_back
from bluegreen.plans.plan import Plan, Wish

OLDEST_ENGINE = (20, 10)
SPARE = 200 * 1000 * 1000  # bytes that must stay free after a release: for logs, databases, the journal
STATE_NEEDS = 20 * 1000 * 1000  # bytes for the journal and the rendered files
UNPRIVILEGED = 1024  # ports below need root; the Engine, which publishes them, runs as root


def check(tools: Tools, stack: Stack, wish: Wish, folder: Path) -> tuple[list[Finding], Plan | None]:
    """(what was found, the plan of the next switch). `folder` is the state folder."""
    world = observe(tools)
    found: list[Finding] = [Finding("settings", "ok", f"x-bluegreen of {stack.app} is valid")]
    found += [Finding("settings", "warning", words) for words in stack.notices]
    engine = tools.engine.facts()
    found += _versions(tools, world, engine)
    found += _proxy_image(tools, stack, world)
    found += served.files(tools, stack)
    found += _permissions(tools, stack, world, folder)
    found += _space(tools, stack, folder, Path(engine.root))
    found += _images(tools, stack)
    found += _image_of_nginx(tools, stack, world)
    found += _ports(tools, stack)
    found += listeners(tools, stack, world)
    owners = tools.engine.owners()
    found += neighbours.names(owners, stack, wish)
    found += neighbours.beside(tools, stack, world, owners)
    found += _shared(tools, stack)
    found += [_changed(tools, name) for name in wish.changed]
    found += _live(tools, stack, world, wish)
    found += _way_back(tools, world)
    found += _repeatable(tools, stack)
    plan: Plan | None = None
    try:
        plan = plan_switch(tools, stack, wish, Request("switch" if world.live else "up", force=True))
    except PortHeld:
        pass  # _ports has said it, with what to do
    except BluegreenError as error:
        found.append(Finding("plan", "failed", str(error), error.expected, "a switch would refuse", error.next))
    return [it.reached_by(tools.command) for it in found], plan


def _shared(tools: Tools, stack: Stack) -> Iterator[Finding]:
    for name, words in asleep(tools, stack).items():
        yield Finding(
            "depends-on", "warning", f"{name} {words}", "running",
            "the release depends on it: a switch starts it first", f"{tools.command} up",
        )  # fmt: skip


def _changed(tools: Tools, name: str) -> Finding:
    return Finding(
        "shared", "warning", f"{name}: {DIFFERS}", "a container made from the file as it is now",
        "a switch does not change it, and the new release may need the new settings",
        f"{tools.command} up (Compose recreates {name}; for a moment both colors are without it)",
    )  # fmt: skip


def _versions(tools: Tools, world: World, facts: EngineFacts) -> Iterator[Finding]:
    number = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdecimal())
    if number < OLDEST_ENGINE:
        yield Finding(
            "versions", "failed", f"Docker Engine {facts.version}", "20.10 or newer",
            "bluegreen needs what older ones lack", "upgrade Docker",
        )  # fmt: skip
    else:
        yield Finding("versions", "ok", f"Docker Engine {facts.version} (API {facts.api})")
    yield Finding("versions", "ok", f"Compose {tools.compose.version()}")
    if world.answer is None:
        yield Finding("versions", "unknown", "nginx is not running yet", "nginx 1.27.4 or newer", "up checks it")
    elif too_old(world.answer.nginx):
        yield Finding(
            "versions", "failed", f"nginx {world.answer.nginx}", "1.27.4 or newer",
            "without keepalive_min_timeout every reload loses requests", "set x-bluegreen.proxy.image to a newer one",
        )  # fmt: skip
    else:
        yield Finding("versions", "ok", f"nginx {world.answer.nginx}")


def _proxy_image(tools: Tools, stack: Stack, world: World) -> Iterator[Finding]:
    """Whether the name of the proxy's image points to another image by now, such as one with a fix."""
    if world.proxy is None:
        return
    name = stack.settings.proxy.image
    why = "fixes of nginx come with a new image"
    if moved(tools, world.proxy, name):
        yield Finding(
            "nginx's image", "warning", f"{name} now points to another image", "the image that nginx runs", why,
            taken_over(tools, stack, world),
        )  # fmt: skip
    elif tools.images.moved_in_registry(name):
        yield Finding(
            "nginx's image", "warning", f"{name} points to another image in its registry", "the image that nginx runs",
            why, f"docker pull {name}, then {taken_over(tools, stack, world)}",
        )  # fmt: skip
    else:
        yield Finding("nginx's image", "ok", f"nginx runs the image that {name} points to")


def _permissions(tools: Tools, stack: Stack, world: World, folder: Path) -> Iterator[Finding]:
    yield Finding("permissions", "ok", "this user may use the Docker Engine")
    mode = tools.machine.mode(folder)
    if mode is not None and mode & 0o077:
        yield Finding(
            "permissions", "failed", f"{folder} has mode {mode:o}", "700",
            "other users could reach the journal and the sockets", shlex.join(["chmod", "700", str(folder)]),
        )  # fmt: skip
    else:
        yield Finding("permissions", "ok", f"only its owner can use {folder}")
    low = [str(listen) for listen in stack.settings.listeners() if listen.port < UNPRIVILEGED]
    if low:
        yield Finding(
            "permissions", "ok", f"port {', '.join(low)} needs root: the Engine, which runs as root, publishes it"
        )
    for service in stack.settings.own_services():
        yield from _writable(tools, stack, world, service)


def _writable(tools: Tools, stack: Stack, world: World, name: str) -> Iterator[Finding]:
    """Whether the user of a service can write to what it mounts."""
    service = stack.services[name]
    lasting = [
        it for it in service.get("volumes") or [] if it["type"] in ("bind", "volume") and not it.get("read_only")
    ]
    mounts = [mount for mount in lasting if mount.get("source")]
    if not mounts:
        return
    identity = _identity(tools, stack, world, name)
    if identity is None:
        yield Finding(
            "permissions", "unknown", f"{name}: unknown which user it runs as",
            "a numeric user, or a running release", "whether it can write to its volumes was not checked", "",
        )  # fmt: skip
        return
    user, groups = identity
    for mount in mounts:
        source = mount["source"]
        path = source if mount["type"] == "bind" else tools.engine.volume_path(stack.volumes[source]["name"])
        may = True if user == 0 else tools.machine.may_write(Path(path), user, groups) if path else None
        if may is False:
            yield Finding(
                "permissions", "failed", f"{name} runs as user {user}, which cannot write to {source}",
                f"{mount['target']} writable for user {user}", "its first write fails",
                shlex.join(["chown", str(user), str(path)]),
            )  # fmt: skip
        elif may is None:
            yield Finding("permissions", "unknown", f"{name}: {source} does not exist yet, or cannot be read")
        else:
            yield Finding("permissions", "ok", f"{name} can write to {source} (as user {user})")


def _identity(tools: Tools, stack: Stack, world: World, name: str) -> tuple[int, tuple[int, ...]] | None:
    """(user, groups) as numbers. A name is looked up in a running container of the service."""
    text = str(stack.services[name].get("user") or "")
    if not text:
        facts = tools.images.facts(stack.image_reference(name))
        if facts is None:
            return None
        text = facts.user
    user, _, group = (text or "0").partition(":")
    groups = (int(group),) if group.isdecimal() else ()
    if user.isdecimal():
        return int(user), groups
    standing = next((replica for replica in world.replicas if replica.service == name), None)
    passwd = tools.engine.text_of(standing.id, "/etc/passwd") if standing else None
    for line in (passwd or "").splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) > 3 and fields[2].isdecimal():
            return int(fields[2]), (*groups, int(fields[3]))
    return (0, groups) if user == "root" else None


def _space(tools: Tools, stack: Stack, folder: Path, root: Path) -> Iterator[Finding]:
    sizes: dict[str, int] = {}
    for name in stack.settings.own_services():
        reference = stack.image_reference(name)
        if facts := tools.images.facts(reference):
            sizes[reference] = facts.size
    yield findings.of_space(str(root), tools.machine.free_bytes(root), sum(sizes.values()) + SPARE, "one more release")
    yield findings.of_space(str(folder), tools.machine.free_bytes(folder.parent), STATE_NEEDS, "the state folder")


def _images(tools: Tools, stack: Stack) -> Iterator[Finding]:
    for name in stack.settings.own_services():
        service = stack.services[name]
        reference = stack.image_reference(name)
        here = tools.images.facts(reference) is not None
        if service.get("build"):
            yield Finding("image", "ok", f"{name} will be built")
            continue
        if builder := stack.builder(name):
            yield Finding("image", "ok", f"{name} uses the image that is built for {builder}")
            continue
        problem = (
            tools.images.in_registry(reference) if service.get("pull_policy") != "never" else "pull_policy is never"
        )
        if problem is None:
            yield Finding("image", "ok", f"{reference} can be pulled{' and is on this machine' if here else ''}")
        elif here:
            yield Finding("image", "ok", f"{reference} is on this machine (it cannot be pulled: {problem})")
        else:
            yield Finding(
                "image", "failed", f"{reference} is not on this machine and cannot be pulled: {problem}",
                f"an image for {name}",
                "the next switch would stop at its first step", f"docker pull {reference}",
            )  # fmt: skip


def _image_of_nginx(tools: Tools, stack: Stack, world: World) -> Iterator[Finding]:
    """Whether the proxy's image is here or can be pulled. A proxy that exists has its image."""
    reference = stack.settings.proxy.image
    if world.proxy is not None or tools.images.facts(reference) is not None:
        return
    problem = tools.images.in_registry(reference)
    if problem is None:
        yield Finding("image", "ok", f"{reference} (nginx) can be pulled")
    else:
        yield Finding(
            "image", "failed", f"{reference} (nginx) is not on this machine and cannot be pulled: {problem}",
            "an image for x-bluegreen.proxy.image", "up would stop at its first step", f"docker pull {reference}",
        )  # fmt: skip


def _ports(tools: Tools, stack: Stack) -> Iterator[Finding]:
    held = held_ports(tools, stack)
    for listen in stack.settings.listeners():
        if listen in held:
            error = held[listen]
            yield Finding("ports", "failed", error.summary, error.expected, error.failed, error.next)
        else:
            yield Finding("ports", "ok", f"{listen} is free, or used by this app's nginx")


def _live(tools: Tools, stack: Stack, world: World, wish: Wish) -> Iterator[Finding]:
    slot = world.slot(world.live) if world.live else None
    if slot is None or world.answer is None:
        yield Finding(
            "health", "unknown", "no release is live yet", "a live release", "its health check can be asked then"
        )
        return
    wrong = tools.prober.once(replica_checks(slot))
    for name, reason in wrong.items():
        policy = next(route.health for route in slot.routes if name.rpartition("-")[0] == route.service)
        yield Finding(
            "health", "failed", f"GET {policy.path} of {name} on {slot.color} {reason}", expectation(policy),
            "a new release must pass the same check", f"{tools.command} logs {slot.color}",
        )  # fmt: skip
    if not wrong:
        count = sum(map(len, slot.addresses.values()))
        yield Finding("health", "ok", f"{counted(count, 'replica')} of {slot.color} passed the health check")
    yield from _answers(tools, wish.expected, stack.project_directory)


def _answers(tools: Tools, expectations: Sequence[Expectation], folder: str) -> Iterator[Finding]:
    try:
        compared = compare(tools, expectations, "public", folder)
    except BluegreenError as error:
        yield Finding("expected", "failed", str(error), error.expected, "a switch compares with them", error.next)
        return
    if not expectations:
        yield Finding(
            "expected", "warning", "no recorded answers", "some, of requests that must not break",
            "a release that is healthy but gives wrong answers gets traffic", f"{tools.command} expect --record GET /",
        )  # fmt: skip
    for it in compared:
        if it.differences:
            yield Finding(
                "expected", "failed", f"{it.request}: {'; '.join(it.differences[:3])}",
                "the recorded answer, from the live release", "the next release must give it before it gets traffic",
                f"record it again: {tools.command} expect --record {it.typed}",
            )  # fmt: skip
    if compared and not any(it.differences for it in compared):
        yield Finding("expected", "ok", f"the live release matches {counted(len(compared), 'recorded answer')}")


def _way_back(tools: Tools, world: World) -> Iterator[Finding]:
    if world.live is None:
        return
    began = tools.clock()
    try:
        plan_flip_back(observe(tools), force=False)
    except BluegreenError as error:
        yield Finding("way back", "warning", error.failed or error.summary, "a previous release that runs",
                      "there is nothing to go back to until the next switch", error.next)  # fmt: skip
        return
    slot = world.idle_slot
    wrong = _unhealthy_replicas(tools, world, slot) if slot else ["it is gone"]
    if wrong:
        yield Finding(
            "way back", "warning", "; ".join(wrong), f"a healthy {world.idle}",
            "flip-back refuses a color that is not healthy", f"{tools.command} up (repairs it)",
        )  # fmt: skip
        return
    looked = tools.clock() - began
    last = tools.journal.operations.last_seconds("flip-back")
    estimate = last if last is not None else looked + (tools.journal.operations.last_step_seconds("confirm") or 0.0)
    source = "as last time" if last is not None else "the checks just now, and the last confirmation by nginx"
    yield Finding("way back", "ok", f"flip-back is possible: traffic moves in about {estimate:.1f} s ({source})")


def _unhealthy_replicas(tools: Tools, world: World, slot: Slot) -> list[str]:
    silent = [f"{name} {reason}" for name, reason in tools.prober.once(replica_checks(slot)).items()]
    return [*unhealthy_replicas(slot, world.in_color(slot.color)), *silent]


def _repeatable(tools: Tools, stack: Stack) -> Iterator[Finding]:
    yield retries(tools, stack)
    yield from findings.of_stack(stack)
    yield findings.of_migrations(
        stack.settings.migrate is not None,
        tools.machine.existing(Path(stack.project_directory), findings.MIGRATION_TOOLS),
    )
    yield Finding(
        "state", "unknown", f"could not be checked: {findings.UNSEEN}", "",
        "looked at: volumes, jobs, migrations, retries", "keep such state in a shared service",
    )  # fmt: skip
