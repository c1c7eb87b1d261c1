"""The headers of a health check that are written down nowhere: from the container that is asked, else from the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bluegreen.domain import asked, secrets
from bluegreen.errors import BluegreenError
from bluegreen.flow.values import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bluegreen.domain.app import Stack


class Unsealing:
    """Fills in what a rendered file has only by reference. The Compose file is read only for what no container has."""

    def __init__(self, given: Callable[[str], Mapping[str, str]], stack: Callable[[], Stack]) -> None:
        self._given, self._stack = given, stack

    def __call__(self, check: Check) -> Check:
        """The check with its secrets; what cannot be had stays sealed, and its probe says so."""
        policy = asked.unsealed(check.policy, self._variables(check), {})
        if asked.sealed(policy):
            policy = asked.unsealed(policy, {}, self._today(check.name.rpartition("-")[0]))
        secrets.remember_variables(policy.request_headers)
        return replace(check, policy=policy)

    def _variables(self, check: Check) -> Mapping[str, str]:
        try:
            return self._given(check.address) if check.address else {}
        except BluegreenError:  # the way back needs no Engine, if the file has it
            return {}

    def _today(self, service: str) -> Mapping[str, str]:
        try:
            routes = self._stack().settings.routes
        except BluegreenError:  # somebody is half-way through an edit
            return {}
        return next((it.health.request_headers for it in routes if it.service == service), {})
