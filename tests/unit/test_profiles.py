"""`profiles: [release]` written into a person's Compose file: every other byte stays, and why it cannot be done."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bluegreen.compose.cuts import CannotCut
from bluegreen.compose.profiles import Profiles, changed, planned, wanted, without
from bluegreen.domain import needed

WEB = Profiles(["web"])
LINE = "profiles: [release]"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("services:\n  web:\n    image: a # mine\n", f"services:\n  web:\n    {LINE}\n    image: a # mine\n"),
        ("services:\n    web:   # here\n        # first\n        image: a",
         f"services:\n    web:   # here\n        # first\n        {LINE}\n        image: a"),
        ("services:\r\n  web:\r\n    image: a\r\n", f"services:\r\n  web:\r\n    {LINE}\r\n    image: a\r\n"),
        ("services:\n  web: {image: a}\n", f"services:\n  web: {{{LINE}, image: a}}\n"),
        ('{"services": {"web": {"image": "a"}}}\n',
         '{"services": {"web": {"profiles": ["release"], "image": "a"}}}\n'),
        ("x-a: &a {image: a}\nservices:\n  web:\n    <<: *a\n    ports: []\n",
         f"x-a: &a {{image: a}}\nservices:\n  web:\n    {LINE}\n    <<: *a\n    ports: []\n"),
        ("\ufeffservices:\n  web:\n    image: é\n", f"\ufeffservices:\n  web:\n    {LINE}\n    image: é\n"),
        ("services:\n  web:\n    environment: !reset null\n",
         f"services:\n  web:\n    {LINE}\n    environment: !reset null\n"),
    ],
)  # fmt: skip
def test_a_profile_is_added_and_no_other_byte_changes(text: str, after: str) -> None:
    assert changed(text, WEB) == after


def test_a_service_that_takes_over_another_s_lines_gets_its_own_too() -> None:
    text = "services:\n  web: &web\n    image: a\n  worker:\n    <<: *web\n    command: w\n"
    found = changed(text, Profiles(["web", "worker"]))
    assert found == text.replace("    image", f"    {LINE}\n    image").replace("    <<", f"    {LINE}\n    <<")
    assert yaml.safe_load(found)["services"]["worker"]["profiles"] == ["release"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("services:\n  web: &web\n    image: a\n  admin:\n    <<: *web\n", r"admin copies its lines \(<<\)"),
        ("services:\n  web: &web\n    image: a\n  b: &b\n    <<: *web\n  c:\n    <<: [*b]\n", "b copies its lines"),
        ("services:\n  web: &web\n    image: a\n  admin: *web\n", r"web and admin are the same lines \(an alias\)"),
        ("services:\n  ? web\n  : image: a\n", "web shares a line with its first key"),
        ("services:\n  db:\n    image: a\n", "web is not in this file"),
        ("services:\n  web: {}\n", "web has no keys of its own in this file"),
        ("services:\n  web:\n", "web has no keys of its own in this file"),
        ("x-a: &a {image: a}\nservices:\n  web: *a\n  db: *a\n", "the same lines"),
        ("services: [web]\n", "the file has no services"),
        ("a: [\n", "while parsing"),
    ],
)
def test_where_it_cannot_be_added_is_said(text: str, why: str) -> None:
    with pytest.raises(CannotCut, match=why):
        changed(text, WEB)


DEPENDS = "services:\n  web: {image: a}\n  nginx:\n    image: n\n"
FALSE = "{condition: service_started, required: false}"


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        ("    depends_on: [web]\n", f"    depends_on: {{web: {FALSE}}}\n"),
        ("    depends_on: [db, web] # mine\n",
         f"    depends_on: {{db: {{condition: service_started}}, web: {FALSE}}} # mine\n"),
        ("    depends_on:\n      - db # its\n      - web\n",
         f"    depends_on:\n      db: {{condition: service_started}} # its\n      web: {FALSE}\n"),
        ("    depends_on:\n    - web\n", f"    depends_on:\n      web: {FALSE}\n"),
        ("    depends_on:\n      web:\n        condition: service_healthy\n",
         "    depends_on:\n      web:\n        required: false\n        condition: service_healthy\n"),
        ("    depends_on:\n      web: {condition: service_healthy}\n",
         "    depends_on:\n      web: {required: false, condition: service_healthy}\n"),
        ("    depends_on: {web: {required: true, condition: service_healthy}}\n",
         "    depends_on: {web: {required: false, condition: service_healthy}}\n"),
    ],
)  # fmt: skip
def test_what_waits_for_it_does_not_require_it_any_more(lines: str, after: str) -> None:
    found = changed(DEPENDS + lines, Profiles(optional=[("nginx", "web")]))
    assert found == DEPENDS + after
    assert yaml.safe_load(found)["services"]["nginx"]["depends_on"]["web"]["required"] is False


@pytest.mark.parametrize("lines", ["", "    depends_on: {web: }\n"])
def test_where_that_cannot_be_written_it_is_said(lines: str) -> None:
    with pytest.raises(CannotCut, match="depends_on"):
        changed(DEPENDS + lines, Profiles(optional=[("nginx", "web")]))


def _plan(services: dict[str, Any], *names: str) -> Profiles:
    """The plan for a file that says it all in the longest way."""
    return planned(yaml.safe_dump({"services": services}), services, without(services, names))


def _on(*names: str, **more: Any) -> dict[str, Any]:
    return {
        "image": "a",
        "depends_on": {it: {"condition": "service_started", "required": True} for it in names},
        **more,
    }


def test_only_what_has_no_profile_gets_one() -> None:
    services = {"web": _on("db"), "worker": {"image": "a", "profiles": ["jobs"]}, "db": {"image": "d"}}
    found = _plan(services, "web", "worker", "gone")
    assert (found.added, found.optional, found.left) == (["web"], [], {})
    assert dict(wanted(services, found))["web"]["profiles"] == ["release"]


def test_what_waits_for_a_release_service_is_told_apart_by_whether_it_has_the_profile() -> None:
    services = {
        "web": _on("worker"), "worker": {"image": "a"}, "nginx": _on("web", "worker", "db"), "db": {"image": "d"},
        "tool": _on("web", profiles=["release"]), "dev": _on("web", profiles=["dev"]),
    }  # fmt: skip
    found = _plan(services, "web", "worker")
    assert (found.added, found.left) == (["web", "worker"], {})
    assert sorted(found.optional) == [("dev", "web"), ("nginx", "web"), ("nginx", "worker")]
    after = dict(wanted(services, found))["nginx"]["depends_on"]
    assert {name: how["required"] for name, how in after.items()} == {"web": False, "worker": False, "db": True}


@pytest.mark.parametrize("more", [
    {"network_mode": "service:web"}, {"pid": "service:web"}, {"volumes_from": ["web:ro"]}, {"links": ["web:shop"]},
])  # fmt: skip
def test_what_another_service_cannot_do_without_is_left_and_so_is_what_it_waits_for(more: dict[str, Any]) -> None:
    services = {"web": _on("worker"), "worker": {"image": "a"}, "side": {"image": "s", **more}}
    found = _plan(services, "worker", "web")
    assert (found.added, found.optional) == ([], [])
    assert found.left["web"].startswith("side needs it (")
    assert found.left["worker"] == "web depends on it and has no profile"


def test_a_service_of_another_file_is_left_and_what_waits_for_it_there() -> None:
    services = {"web": {"image": "a"}, "worker": {"image": "a"}, "nginx": _on("worker"), "other": {"image": "o"}}
    text = yaml.safe_dump({"services": {"web": {"image": "a"}, "worker": {"image": "a"}}})
    found = planned(text, services, ["web", "worker", "other"])
    assert found.added == ["web"]
    assert found.left == {"worker": "nginx is not in this file", "other": "other is not in this file"}


def _profiled(*profiles: str, on: tuple[str, ...] = ()) -> dict[str, Any]:
    return _on(*on, profiles=list(profiles))


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ({"web": _profiled("release"), "side": _on("web")}, [("side", "web")]),
        ({"web": _profiled("prod"), "side": _profiled("prod", on=("web",))}, []),
        ({"web": _profiled("prod"), "tool": _profiled("dev", on=("web",))}, [("tool", "web")]),
        ({"web": _profiled("a", "b"), "tool": _profiled("a", on=("web",))}, []),
        ({"web": _profiled("a"), "tool": _profiled("a", "b", on=("web",))}, [("tool", "web")]),
        ({"web": {"image": "a"}, "side": _on("web")}, []),
        ({"web": _profiled("release"),
          "side": {"image": "s", "depends_on": {"web": {"condition": "service_started", "required": False}}}}, []),
    ],
)  # fmt: skip
def test_what_requires_a_service_that_is_off_is_found(services: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert needed.unmet(services, ["web", "gone"]) == found


def test_what_requires_one_that_has_its_profile_already_does_so_no_more() -> None:
    services = {"web": _profiled("prod"), "side": _on("web", "db"), "db": {"image": "d"}, "own": _on("web")}
    text = yaml.safe_dump({"services": {name: how for name, how in services.items() if name != "own"}})
    found = planned(text, services, without(services, ["web"]), needed.unmet(services, ["web"]))
    assert (found.added, found.optional, found.left) == ([], [("side", "web")], {}), "own is in another file"
    assert dict(wanted(services, found))["side"]["depends_on"]["web"]["required"] is False


@pytest.mark.parametrize(
    ("services", "profiles"),
    [
        ({"web": _profiled("release"), "side": _on("web")}, ["release"]),
        ({"web": _profiled("b", on=("db",)), "db": _profiled("a"), "side": _on("web")}, ["a", "b"]),
        ({"web": _profiled("release", on=("db",)), "db": {"image": "d"}}, []),
        (
            {"web": _profiled("x", "y"), "a": _on("web"), "b": _profiled("x", on=("c",)), "c": _profiled("z")},
            ["x", "z"],
        ),
        ({"web": {"image": "w"}, "side": _on("web", "gone")}, []),
    ],
)
def test_which_profiles_a_project_needs_to_be_accepted_at_all(services: dict[str, Any], profiles: list[str]) -> None:
    assert needed.needed(services) == profiles
