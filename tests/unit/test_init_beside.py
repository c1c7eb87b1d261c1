"""init on a server that has other apps already."""

from __future__ import annotations

from typing import Any

import pytest

from bluegreen.features.init.neighbours import beside
from bluegreen.features.init.propose import Proposal, propose

OTHER = {"app": "blog", "running": True, "listen": ["80"], "edge": None}


def _proposed(published: str | None, apps: list[Any], edges: list[Any]) -> Proposal:
    web: dict[str, Any] = {"image": "x", "ports": [{"target": 8000, "published": published, "protocol": "tcp"}]}
    found = propose({"name": "shop", "services": {"web": web}})
    beside(found, apps, edges, "shop")
    return found


@pytest.mark.parametrize(
    ("published", "apps", "edges", "listen", "advice"),
    [
        ("80", [], [], None, ""),
        ("8080", [OTHER], [{"name": "edge", "listen": ["80"]}], 8080, ""),
        ("80", [], [{"name": "edge", "listen": ["80", "443"]}], "edge", "services.NAME.host"),
        ("80", [], [{"name": "edge", "listen": ["8080"]}], None, ""),
        ("80", [OTHER], [], None, "blog has port 80"),
        ("80", [{**OTHER, "running": False}], [], None, ""),
        ("80", [{**OTHER, "app": "shop"}], [], None, ""),
    ],
)
def test_where_nginx_listens(published: str, apps: list[Any], edges: list[Any], listen: object, advice: str) -> None:
    found = _proposed(published, apps, edges)
    assert found.block.get("listen") == listen
    assert advice in " ".join(found.advice)
    said = dict(found.decisions)["listen"]
    assert ("the edge" in said) is (listen == "edge")


def test_an_edge_of_another_name_is_named() -> None:
    found = _proposed("80", [], [{"name": "inside", "listen": ["0.0.0.0:80"]}])
    assert (found.block["listen"], found.block["edge"]) == ("edge", {"name": "inside"})
