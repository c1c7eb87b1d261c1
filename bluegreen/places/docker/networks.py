"""The networks of one app."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from docker.errors import APIError, NotFound

from bluegreen.domain.color import LABEL_APP, LABEL_BLOCK, LABEL_COLOR, LABEL_ROLE, Color
from bluegreen.errors import BluegreenError
from bluegreen.places.docker.addresses import (
    Block,
    Part,
    Subnet,
    block_of,
    color_network_name,
    network_name,
    public_network_name,
)
from bluegreen.places.docker.api import Api, translated
from bluegreen.places.docker.connection import refuse_rootless


class Networks:
    """The app's own network, its colors' and its public one. Every method raises BluegreenError."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._subnet: Subnet | None = None
        self._made: Block | None = None  # the block of a network that this command has made
        self._public = False  # whether the public network was seen or made

    @translated
    def subnet(self) -> Subnet | None:
        """The app's network as it is; None: there is none that addresses can be given out in."""
        if self._subnet is None:  # once there it stays as it is, for as long as the app is
            pool = self._pool()
            self._subnet = Subnet(ipaddress.IPv4Network(pool["Subnet"])) if pool and pool.get("IPRange") else None
        return self._subnet

    def _pool(self) -> Mapping[str, Any] | None:
        try:
            found = self._api.client.inspect_network(network_name(self._api.app))
        except NotFound:
            return None
        pool: Mapping[str, Any] = found["IPAM"]["Config"][0]
        return pool

    def _block(self) -> Block | None:
        """The subnet that the app's networks share; None: each has its own."""
        try:
            found = self._api.client.inspect_network(network_name(self._api.app))
        except NotFound:
            return None
        own = ipaddress.IPv4Network(found["IPAM"]["Config"][0]["Subnet"])
        return block_of(own, (found["Labels"] or {}).get(LABEL_BLOCK, ""))

    @translated
    def ensure(self) -> Subnet:
        """The app's network, made if there is none, with the subnet that the Engine itself picks.

        The Engine gives fixed addresses only in a subnet that was named, so the network is made twice: once to learn
        which subnet is free, once with that subnet named, or with half of it, and its upper half left to the Engine.
        The rest is for the app's other networks: by default an Engine has 31 subnets, for everybody.
        It is internal: a service reaches of the outside world what its own networks let it reach, no more.
        """
        if existing := self.subnet():
            return existing
        refuse_rootless(self._api.client.info())
        name = network_name(self._api.app)
        labels = {LABEL_APP: self._api.app, LABEL_ROLE: "network"}
        if self._pool() is None:  # else a command was killed between the two
            self._api.client.create_network(name, driver="bridge", labels=labels)
        learned = self._pool()
        if learned is None:
            raise BluegreenError(
                "The Engine lost the network that it had just made.",
                code="engine-refused",
                failed=name,
                expected="it to be there",
                retry="safe",
            )
        block = Block(ipaddress.IPv4Network(learned["Subnet"]))
        picked = Subnet(block.own if block.wide else block.network)
        labels |= {LABEL_BLOCK: str(block.network)} if block.wide else {}
        self._api.client.remove_network(name)
        pool = {"Subnet": str(picked.network), "IPRange": str(picked.dynamic), "Gateway": picked.gateway}
        self._api.client.create_network(
            name, driver="bridge", internal=True, labels=labels, ipam={"Driver": "default", "Config": [pool]}
        )
        self._made = block if block.wide else None
        self._ensure_public()
        return picked

    @translated
    def ensure_color(self, color: Color) -> None:
        """The network on which the services of one color find each other by their Compose names."""
        name = color_network_name(self._api.app, color)
        if not self.exists(name):
            self._create_beside(name, color, {"Driver": "bridge"}, {LABEL_COLOR: color})

    @translated
    def exists(self, name: str) -> bool:
        return bool(self._api.client.networks(filters={"name": f"^{re.escape(name)}$"}))

    def _create_beside(
        self, name: str, part: Part, more: Mapping[str, object], labels: Mapping[str, str] | None = None
    ) -> None:
        """Another network of the app, in the block that it has, if it has one and nobody else has taken that part.

        As docker-py's create_network, which cannot say all of `more`. Source: Engine API, NetworkCreate.
        """
        block = self._made or self._block()
        body = {
            "Name": name, "Labels": {LABEL_APP: self._api.app, LABEL_ROLE: "network", **(labels or {})},
            "CheckDuplicate": True, **more,
        }  # fmt: skip
        mine = block.part(part) if block else None
        pool = {"Subnet": str(mine), "Gateway": str(mine[1])} if mine else None
        try:
            self._post({**body, "IPAM": {"Driver": "default", "Config": [pool]}} if pool else body)
        except APIError as error:
            if pool is None or "overlap" not in str(error.explanation):
                raise
            self._post(body)

    def _post(self, body: Mapping[str, object]) -> None:
        client = self._api.client
        client._raise_for_status(client._post_json(client._url("/networks/create"), data=body))

    @translated
    def publish(self, container: str) -> None:
        """Connects the proxy to its public network, running or not: its ports are published from then on."""
        self._ensure_public()
        self._api.client.connect_container_to_network(container, public_network_name(self._api.app))

    @translated
    def gateways(self) -> tuple[str, ...]:
        """The addresses at which nginx sees this machine: those of the public network's gateways; empty: there is none.

        What is sent to a published port of 127.0.0.1 or [::1] comes through docker-proxy, or is masqueraded (daemon's
        userland-proxy: false); either way the Engine's bridge is its source.
        """
        try:
            found = self._api.client.inspect_network(public_network_name(self._api.app))
        except NotFound:
            return ()
        pools: list[Mapping[str, str]] = found["IPAM"]["Config"] or []
        subnets = [(pool.get("Gateway"), ipaddress.ip_network(pool["Subnet"])) for pool in pools]
        return tuple(gateway.partition("/")[0] if gateway else str(subnet[1]) for gateway, subnet in subnets)

    def _ensure_public(self) -> None:
        name = public_network_name(self._api.app)
        if not self._public and not self.exists(name):
            # Without IPv6, even where the Engine gives it to every network: nginx listens on IPv4 inside, and the
            # Engine would send what comes to [::] to an address on which nobody does.
            self._create_beside(name, "public", {"Driver": "bridge", "EnableIPv6": False})
        self._public = True
