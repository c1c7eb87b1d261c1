"""What every color needs first: shared services, network, the proxy and the file that it loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bluegreen.domain.app import Stack
from bluegreen.domain.color import Color
from bluegreen.domain.routing import Routing, too_old
from bluegreen.errors import BluegreenError
from bluegreen.flow.run import Action
from bluegreen.flow.values import ImageWish, Tools

ANSWER_TIMEOUT = 15.0  # seconds until a started nginx must answer on its control socket; it takes 0.3
ASK_AGAIN = 0.05  # seconds


def prerequisite_steps(
    tools: Tools, stack: Stack, published: bool = True, asleep: tuple[str, ...] = ()
) -> dict[str, Action]:
    """The steps that a switch and a repairing `up` share: what every color needs first.

    `asleep`: the shared services to start as they are, instead of all as the file says.
    """

    def shared() -> str:
        _build_for(tools, stack, asleep or stack.shared)
        tools.compose.up(asleep or stack.shared, tools.show.progress, recreate=not asleep)
        return ", ".join(asleep or stack.shared)

    def network() -> str:
        with tools.signals.deferred():
            tools.colors.ensure_network()
        return "there"

    def proxy() -> str:
        with tools.signals.deferred():
            if color := _first_color(stack):  # nginx mounts volumes that Compose has to make
                tools.colors.ensure_prerequisites(stack, color, tools.show.progress)
            return run_proxy(tools, stack, published)

    def certificates() -> str:
        with tools.signals.deferred():
            return tools.certificates.ensure(stack)

    def edge() -> str:
        with tools.signals.deferred():
            return at_the_edge(tools, stack)

    return {"shared": shared, "network": network, "tls": certificates, "proxy": proxy, "edge": edge}


def at_the_edge(tools: Tools, stack: Stack) -> str:
    """The edge serves the names of the settings and of what nginx has; says what was done."""
    there = tools.door.intended()
    return tools.edge.ensure(stack, list(there.slots.values()) if there else [])


def _first_color(stack: Stack) -> Color | None:
    return "blue" if any(it.volume for it in stack.settings.files) else None


def _build_for(tools: Tools, stack: Stack, services: Sequence[str]) -> None:
    """The images that services of a release build and shared ones run: Compose would try to pull them."""
    for builder in dict.fromkeys(filter(None, map(stack.builder, services))):
        if tools.images.id_of(stack.image_reference(builder)) is None:
            tools.images.of_service(stack, builder, ImageWish(), tools.show.progress)


def first_file(tools: Tools, stack: Stack, text: str, routing: Routing) -> None:
    """The file for an nginx that does not answer: tested in a container like its own, then written.

    Raises BluegreenError with nginx's words, and nothing is written. The state folder is owned by then.
    """

    def run(command: Sequence[str]) -> tuple[int, str]:
        return tools.proxy.try_out(stack, command, tools.show.progress)

    tools.door.first(text, routing.generation + 1, routing.since or "", routing.live, run)


def run_proxy(tools: Tools, stack: Stack, published: bool = True) -> str:
    """Makes or starts the proxy and waits for its first answer. Refuses an nginx that loses requests."""
    version = refuse_old(tools, stack)
    tools.edge.prepare(stack)
    what = tools.proxy.ensure(stack, tools.show.progress, published)
    await_answer(tools)
    return f"nginx {version} {what}"


def refuse_old(tools: Tools, stack: Stack) -> str:
    """The version of nginx in the proxy's image. Raises BluegreenError for one that loses requests."""
    version = tools.proxy.version(stack, tools.show.progress)
    if too_old(version):
        raise BluegreenError(
            f"nginx {version} is too old.",
            code="nginx-too-old",
            failed=f"{stack.settings.proxy.image} has nginx {version}",
            expected="1.27.4 or newer: older ones have no keepalive_min_timeout, and each reload loses requests",
            retry="safe, with another proxy.image",
            next="set x-bluegreen.proxy.image to a newer nginx, such as nginx:1.30-alpine",
        )
    return version


def await_answer(tools: Tools) -> None:
    """Waits until nginx answers on its control socket. Raises BluegreenError after ANSWER_TIMEOUT."""
    deadline = tools.clock() + ANSWER_TIMEOUT
    while tools.door.answer() is None:
        if tools.clock() > deadline:
            proxy = tools.proxy.container()
            raise BluegreenError(
                "nginx does not answer on its control socket.",
                code="nginx-silent",
                failed=f"no answer within {ANSWER_TIMEOUT:g} s, the proxy is {proxy.state if proxy else 'gone'}",
                expected="a running nginx",
                retry="safe, after the cause is fixed",
                next=f"docker logs {proxy.speaker}" if proxy else f"{tools.command} up",
                lines=tools.containers.log_tail(proxy.speaker, 8) if proxy else [],
            )
        tools.sleep(ASK_AGAIN)


def render_sealed(tools: Tools, stack: Stack, routing: Routing) -> dict[Color, str]:
    """The texts in which each color that may be live by a rename is the file's own default.

    During a canary these are both: then the other one is the way back.
    """
    if routing.live and routing.canary and routing.idle_slot:
        ended = replace(routing, standing="previous", aside=None, canary=0)
        return {
            color: render_today(tools, stack, replace(ended, live=color)) for color in (ended.live, ended.idle) if color
        }
    sealed = {routing.live: render_today(tools, stack, routing)} if routing.live else {}
    if routing.live and routing.standing == "previous" and routing.idle_slot:
        sealed[routing.idle] = render_today(tools, stack, replace(routing, live=routing.idle))
    return sealed


def text_to_load(tools: Tools, stack: Stack, routing: Routing, sealed: Mapping[Color, str]) -> str:
    """The text that leaves traffic as it is, shares too."""
    known = sealed.get(routing.live) if routing.live and not routing.canary else None
    return known or render_today(tools, stack, routing)


def render_today(tools: Tools, stack: Stack, routing: Routing) -> str:
    """The nginx file for this routing with the settings and the snippets of today."""
    return tools.door.render(routing, stack)
