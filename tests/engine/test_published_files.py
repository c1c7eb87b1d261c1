"""What people have: `init` on published Compose files, and what a color can and cannot take of them.

The files in published/ say in our own words what known projects ask of Compose: their service keys, no text of
theirs (read in November 2026 in their repositories). `python -m tests.engine.test_published_files` prints a table.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from bluegreen.compose.edit import add_block
from bluegreen.compose.options import Options
from bluegreen.compose.run import Compose
from bluegreen.features.init.propose import Proposal, propose
from bluegreen.places.docker.refused import refusals
from bluegreen.settings.stack import make_stack
from tests.support.machine import environment

PUBLISHED = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "published").glob("*.yaml"))}
OLDEST_API = "1.41"  # Engine 20.10: nothing here may need more
BEHIND = (
    "172.17.0.1:8080"  # a proxy that does more than passing on, or whose configuration is not there, stays in front
)
# routed service(s) and port, jobs, where nginx is to be published (None: the default)
EXPECTED: dict[str, tuple[dict[str, int], list[str], Any]] = {
    "umami": ({"umami": 3000}, [], 3000),
    "listmonk": ({"app": 9000}, [], 9000),
    "healthchecks": ({"web": 8000}, [], 8000),
    "fastapi-template": ({"backend": 8000, "frontend": 80}, [], BEHIND),
    "paperless": ({"webserver": 8000}, [], 8000),
    "immich": ({"immich-server": 2283}, [], 2283),
    "plausible": ({"plausible": 8000}, [], "127.0.0.1:8000"),
    "linkding": ({"linkding": 9090}, [], 9090),
    "chatwoot": ({"rails": 3000}, ["sidekiq"], "127.0.0.1:3000"),
    "netbox": ({"netbox": 8001}, ["netbox-worker"], BEHIND),
    "superset": ({"superset": 8088}, ["superset-worker"], 8088),
    "miniflux": ({"miniflux": 8080}, [], None),
    "authentik": ({"server": 9000}, ["worker"], 9000),
    "label-studio": ({"app": 8080}, [], "172.17.0.1:8088"),
    "outline": ({"outline": 3000}, [], 3000),
    "mealie": ({"mealie": 9000}, [], 9091),
    "wger": ({"web": 8000}, ["celery_beat", "celery_worker"], BEHIND),
    "taiga": ({}, [], None),  # no service of it says where it listens
    "open-webui": ({"open-webui": 8080}, [], BEHIND),
    "hasura": ({"graphql-engine": 8080}, [], 8080),
    "voting-app": ({"result": 80}, ["worker"], 5001),
    "formbricks": ({"formbricks": 3000}, [], 3000),
    "saleor": ({"api": 8000}, ["worker"], 9100),
    "airflow": ({"airflow-apiserver": 8080}, ["airflow-scheduler", "airflow-worker"], 8080),
    "documenso": ({"documenso": 3000}, [], 3000),
    "redash": ({"server": 5000}, ["adhoc_worker", "scheduler"], None),
    "mattermost": ({"mattermost": 8065}, [], 8065),
    "uptime-kuma": ({"uptime-kuma": 3001}, [], 3001),
    "archivebox": ({"archivebox": 8000}, ["archivebox_scheduler"], 8000),
    "calcom": ({"calcom": 3000}, [], 3000),
    "twenty": ({"server": 3000}, ["worker"], 3000),
    "searxng": ({"searxng": 8080}, [], "127.0.0.1:8080"),
    "langfuse": ({"langfuse-web": 3000}, [], 3000),
    "pretix": ({"pretix": 80}, ["pretix-worker"], 8000),
}


def _tried(name: str, folder: Path) -> tuple[Proposal, dict[str, Any], list[tuple[str, str]], tuple[str, ...]]:
    """(what init proposes, the document with it, what is refused, what is dropped with a notice)."""
    file = folder / "compose.yaml"
    file.write_text(PUBLISHED[name])
    compose = Compose(Options(files=(str(file),)))
    proposal = propose(compose.resolve(folder))
    if not proposal.block:
        return proposal, {}, [], ()
    add_block(compose, file, proposal.text, folder)
    assert file.read_text().startswith(PUBLISHED[name]), "not one byte before the block has changed"
    document = compose.resolve(folder)
    stack = make_stack(document, str(folder), [], lambda *_: [])
    refused = refusals(document, stack.settings.release_services(), lambda: OLDEST_API)
    return proposal, document, refused, (*stack.notices, *stack.together)


@pytest.mark.parametrize("name", PUBLISHED)
def test_init_proposes_what_a_person_would_and_only_a_name_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment().items():
        monkeypatch.setenv(variable, value)
    proposal, document, refused, _ = _tried(name, tmp_path)
    block = proposal.block
    found = {block["service"]: block["port"]} if "service" in block else {
        service: entry["port"] for service, entry in block.get("services", {}).items()
    }  # fmt: skip
    assert (found, block.get("jobs", []), block.get("listen")) == EXPECTED[name]
    assert all(why for _, why in proposal.decisions)
    if document:
        assert document["x-bluegreen"] == proposal.block, "what was written is what was proposed"
    keys = {path.rpartition(".")[2] for path, _ in refused}
    assert keys <= {"container_name"}, refused
    advised = [advice for advice in proposal.advice if "two colors cannot share one name" in advice]
    assert len(advised) == len(refused), "init says beforehand what up would refuse"


def main() -> None:
    """Prints the table: project, block, what is refused, what is dropped or noticed."""
    for name in PUBLISHED:
        with tempfile.TemporaryDirectory() as folder:
            proposal, _, refused, notices = _tried(name, Path(folder))
        kept = [notice for notice in notices if "has no profile" not in notice]
        sys.stdout.write(f"{name}: {proposal.block}; refused: {refused or 'nothing'}; noticed: {kept}\n")


if __name__ == "__main__":
    main()
