"""What `init --write` cuts out of a person's Compose file, and that every other byte stays."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bluegreen.compose.cuts import CannotCut, Changes, changed
from bluegreen.compose.edit import wanted

NAME = Changes([("web", "container_name")])
PAIR = Changes([("web", "container_name")], {"web-blue": "web"}, ["web-green", "nginx"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "services:\n  web:\n    image: a # mine\n    container_name: x   # old\n    # next\n    ports: [1]\n",
            "    container_name: x   # old\n",
        ),
        ("services:\r\n  web:\r\n    container_name: x\r\n    image: a\r\n", "    container_name: x\r\n"),
        ("services:\n  web:\n    image: a\n    container_name: x", "    container_name: x"),
        ("services:\n  web: {image: a, container_name: x, ports: [1]}\n", "container_name: x, "),
        ("services:\n  web: {image: a, container_name: x}\n", ", container_name: x"),
        ("services:\n  web: {container_name: x, image: a}\n", "container_name: x, "),
        ('{"services": {"web": {"image": "a", "container_name": "x"}}}\n', ', "container_name": "x"'),
        (
            "services:\n    web:\n        container_name:\n            x\n        image: é\n",
            "        container_name:\n            x\n",
        ),
        ("\ufeffservices:\n  web:\n    container_name: x\n    image: a\n", "    container_name: x\n"),
        (
            "x-a: &a\n  image: !reset null\nservices:\n  web:\n    <<: *a\n    container_name: 'x'\n\n# end\n",
            "    container_name: 'x'\n",
        ),
    ],
)
def test_one_key_is_taken_out_and_no_other_byte_changes(text: str, line: str) -> None:
    assert changed(text, NAME) == text.replace(line, "", 1)


@pytest.mark.parametrize(
    "text",
    [
        "services: {db: {image: a}}\n",
        "services:\n  web: {image: a}\n",
        "services: [web]\n",
        "x: 1\n",
        "a: [\n",
        "services:\n  ? web\n  : container_name: x\n",
        "x: &x {container_name: y}\nservices:\n  web:\n    <<: *x\n",
    ],
)
def test_what_is_not_written_there_is_not_cut(text: str) -> None:
    with pytest.raises(CannotCut):
        changed(text, NAME)


GROWN = """# the shop
services:
  nginx:
    image: nginx:1
    ports:
      - "80:80"

  # the one that is live now
  web-blue: &web
    image: a
    container_name: web-blue
    depends_on:
      - db
  web-green:
    <<: *web
    container_name: web-green
    # of the green one

  # keeps the data
  db:
    image: postgres
  cron:
    image: a
    depends_on:
      - web-blue  # first
      - web-green
      - db
  other:
    image: a
    depends_on: [web-green, nginx]
  third: {image: a, depends_on: {web-blue: {condition: service_healthy}, web-green: {condition: service_healthy}}}
"""


def test_a_pair_becomes_one_service() -> None:
    text = changed(GROWN, PAIR)
    found = yaml.safe_load(text)["services"]
    assert list(found) == ["web", "db", "cron", "other", "third"]
    assert found["web"] == {"image": "a", "depends_on": ["db"]}
    assert found["cron"]["depends_on"] == ["web", "db"]
    assert found["other"] == {"image": "a"}
    assert found["third"]["depends_on"] == {"web": {"condition": "service_healthy"}}
    for kept in ("# the shop", "# the one that is live now", "# keeps the data", "# first"):
        assert kept in text
    was = iter(GROWN.splitlines())
    assert all("web" in line or line in was for line in text.splitlines()), "the others, in their order"
    with pytest.raises(CannotCut):
        changed(GROWN, Changes(renamed={"app-blue": "app"}))
    with pytest.raises(CannotCut):
        changed(GROWN, Changes(gone=["app-green"]))


def test_what_compose_should_read_afterwards() -> None:
    ready: dict[str, Any] = {"condition": "service_started"}
    before = {
        "name": "shop",
        "services": {
            "web-blue": {"image": "a", "container_name": "x", "depends_on": {"nginx": ready}},
            "web-green": {},
            "nginx": {},
            "cron": {"depends_on": {"web-blue": ready, "web-green": ready}},
        },
    }
    assert wanted(before, PAIR) == {
        "name": "shop",
        "services": {"web": {"image": "a"}, "cron": {"depends_on": {"web": ready}}},
    }
    assert wanted(before, Changes()) == before
