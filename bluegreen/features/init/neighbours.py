"""Where nginx listens on a server that has other apps already. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bluegreen.features.init.propose import Proposal

USUAL = ("80", "0.0.0.0:80")  # where a browser asks when nobody says a port


def beside(
    proposal: Proposal, apps: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]], mine: str
) -> None:
    """Puts the app on the edge that has port 80, or says whose that port is. `apps`, `edges`: as `apps --json`."""
    if not proposal.block or str(proposal.block.get("listen", "80")) != "80":
        return
    edge = next((it for it in edges if _usual(it["listen"])), None)
    if edge:
        proposal.block["listen"] = "edge"
        if edge["name"] != "edge":
            proposal.block["edge"] = {"name": edge["name"]}
        why = f"edge: the edge {edge['name']} of this server has port 80, for several apps"
        proposal.decisions[:] = [(key, why if key == "listen" else words) for key, words in proposal.decisions]
        if not any(it.host for it in proposal.fronts):
            proposal.advice.append(
                "Say services.NAME.host, such as shop.example.com: on an edge one app at most is without."
            )
        return
    other = next((it for it in apps if it["app"] != mine and it["running"] and _usual(it["listen"])), None)
    if other:
        proposal.advice.append(
            f"{other['app']} has port 80. To share it, both say listen: edge and services.NAME.host: "
            "bluegreen help several-apps."
        )


def _usual(listen: Sequence[str]) -> bool:
    return any(it in USUAL for it in listen)
