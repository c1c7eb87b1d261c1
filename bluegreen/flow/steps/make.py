"""The containers of a color: the old ones away, the new ones made and started."""

from __future__ import annotations

from bluegreen.domain.color import Role
from bluegreen.domain.words import counted
from bluegreen.flow.making import Making
from bluegreen.flow.steps.depends_on import await_dependencies
from bluegreen.flow.steps.settle import wait_drained
from bluegreen.flow.values import Order
from bluegreen.plans.differences import in_the_way
from bluegreen.plans.release import start_order


def clear(it: Making) -> str:
    waited = "" if it.keep else wait_drained(it, it.new.color, "it still answers requests")
    held = in_the_way(it.world, it.new.color, it.keep)
    for replica in held:
        with it.tools.signals.deferred():
            if replica.role == "job" and replica.running:
                it.tools.containers.stop(replica.id)
            it.tools.containers.remove(replica.id)
    return f"{counted(len(held), 'container')} removed{waited}"


def create(it: Making) -> str:
    tools, color = it.tools, it.new.color
    with tools.signals.deferred():
        tools.colors.ensure_prerequisites(it.stack, color, tools.show.progress)
    wanted = it.wish.replicas
    avoid = frozenset(
        [address for slot in it.slots().values() for ips in slot.addresses.values() for address in ips]
        + [replica.address for replica in it.world.replicas if replica.address]
    )
    free = iter(tools.colors.free_addresses(it.new.release, sum(wanted.values()), avoid))
    for service in start_order(it.stack.services, list(wanted)):
        count = wanted[service]
        role: Role = "job" if service in it.stack.settings.jobs else "routed"
        mine = tuple(next(free) for _ in range(count))
        for number, address in enumerate(mine, 1):
            order = Order(
                color,
                service,
                number,
                it.new.release,
                role,
                it.new.images[service],
                address,
                it.wish.definition,
            )
            with tools.signals.deferred():
                it.new.created.append((service, tools.colors.create(it.stack, order)))
        if role == "routed":
            it.new.addresses[service] = mine
    return counted(len(it.new.created), "container")


def start(it: Making) -> str:
    tools = it.tools
    routed = [name for name in it.wish.replicas if name not in it.stack.settings.jobs]
    for service in start_order(it.stack.services, routed):
        await_dependencies(it, service)
        for mine in [container for name, container in it.new.created if name == service]:
            with tools.signals.deferred():
                tools.containers.start(mine)
    return ", ".join(routed)
