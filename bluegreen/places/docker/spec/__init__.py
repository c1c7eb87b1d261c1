"""From a resolved Compose service to what the Engine is asked to create: pure, one function per group of keys.

The spellings on the right are those of the Engine's API (POST /containers/create). What Compose itself does
with each key was read in its source (docker/compose, pkg/compose/create.go and convert.go); where that is
surprising, ours is the same and a comment says so. tests/engine/test_as_compose_would.py holds the two
with each other. A key that is in no
group is refused by name.
"""

from __future__ import annotations

from bluegreen.places.docker.spec.limits import CDI
from bluegreen.places.docker.spec.networks import INTERFACE, SAME_ADDRESS, endpoint, links, networks_by_priority
from bluegreen.places.docker.spec.part import LATER, Need, Part, Refusal, Service, nanoseconds
from bluegreen.places.docker.spec.restart import restart_policy, restart_text, routed_restart
from bluegreen.places.docker.spec.rights import depends_on_containers, seccomp_file
from bluegreen.places.docker.spec.table import (
    DIFFERENT,
    GROUPS,
    HOOKS,
    KNOWN,
    REASONS,
    Group,
    create_request,
    needs,
    refusals,
    replicas,
)

__all__ = [
    "CDI",
    "DIFFERENT",
    "GROUPS",
    "HOOKS",
    "INTERFACE",
    "KNOWN",
    "LATER",
    "REASONS",
    "SAME_ADDRESS",
    "Group",
    "Need",
    "Part",
    "Refusal",
    "Service",
    "create_request",
    "depends_on_containers",
    "endpoint",
    "links",
    "nanoseconds",
    "needs",
    "networks_by_priority",
    "refusals",
    "replicas",
    "restart_policy",
    "restart_text",
    "routed_restart",
    "seccomp_file",
]
