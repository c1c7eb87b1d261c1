"""Shared services: what the file says by now, and what runs."""

from __future__ import annotations

import json

import pytest

from tests.fakes.site import Site, Tell

HASH = "com.docker.compose.config-hash"


@pytest.fixture
def noted(live: Site, tell: Tell) -> Site:
    """An `up` has made db as the file says; Compose would say so."""
    live.database.labels[HASH] = "one"
    (live.folder / "hashes").write_text("db one\n")
    assert tell("up")[1]["outcome"] == "unchanged"
    return live


def change(site: Site, **keys: object) -> None:
    """Somebody edits the file; Compose has another hash for it."""
    site.document["services"]["db"] |= keys
    (site.project / "compose.yaml").write_text(f"services: {{}} # {keys}\n")
    (site.folder / "hashes").write_text("db two\n")


def asked(site: Site) -> int:
    return len([line for line in site.asked_of_compose if "--hash" in line])


@pytest.mark.parametrize(
    "keys", [{"image": "postgres:18"}, {"command": ["-c", "max_connections=9"]}, {"environment": {"A": "1"}}]
)
def test_a_change_is_told_by_every_look_and_made_by_up_alone(
    noted: Site, tell: Tell, capsys: pytest.CaptureFixture[str], keys: dict[str, object]
) -> None:
    change(noted, **keys)
    assert tell("status")[1]["shared_differs"] == ["db"]
    _, found = tell("check")
    (wrong,) = [it for it in found["findings"] if it["name"] == "shared" and "differs from what runs" in it["found"]]
    assert wrong["fix"].startswith("bluegreen up")
    noted.release("shop:2")
    capsys.readouterr()
    assert noted.run("switch") == 0
    assert "db: the Compose file differs from what runs" in capsys.readouterr().err
    _, plan = tell("up", "--dry-run")
    assert "has changed for db: Compose recreates it" in json.dumps(plan)
    assert plan["nothing"] == ""
    code, done = tell("up")
    assert (code, done["outcome"]) == (0, "repaired")
    assert "shared" in done["message"]
    noted.database.labels[HASH] = "two"
    assert tell("status")[1]["shared_differs"] == []
    assert "recreates it" not in json.dumps(tell("up", "--dry-run")[1])


def test_compose_is_not_asked_while_nothing_was_edited(noted: Site, tell: Tell) -> None:
    noted.release("shop:2")
    before = asked(noted)
    for verb in ("status", "check", "switch", "up", "status"):
        assert tell(verb)[0] == 0
    assert asked(noted) == before


def test_what_a_plain_compose_has_recreated_meanwhile_is_no_difference(noted: Site, tell: Tell) -> None:
    change(noted, image="postgres:18")
    noted.database.labels[HASH] = "two"
    assert tell("status")[1]["shared_differs"] == []
    assert "recreates it" not in json.dumps(tell("up", "--dry-run")[1])


def test_a_file_that_cannot_be_read_is_no_reason_for_status_to_fail(noted: Site, tell: Tell) -> None:
    change(noted, image="postgres:18")
    (noted.folder / "code").write_text("1\n")
    code, found = tell("status")
    assert (code, found["shared_differs"]) == (0, [])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"services": [], "files": {}}', '{"services": {}, "files": [1, []]}']
)
def test_a_note_that_makes_no_sense_is_none(noted: Site, tell: Tell, text: str) -> None:
    (noted.state / "shared.json").write_text(text)
    change(noted, image="postgres:18")
    assert tell("status")[0] == 0
    assert tell("up")[1]["outcome"] == "repaired"


def test_no_value_is_noted(live: Site, tell: Tell) -> None:
    live.document["services"]["db"]["environment"] = {"POSTGRES_PASSWORD": "canary-canary"}
    assert tell("up")[0] == 0
    assert "canary" not in (live.state / "shared.json").read_text()


# -- images that a release service builds, and others only name


@pytest.fixture
def building(shop: Site) -> Site:
    """web is built; the worker, the migration and the shared dashboard run the same image by its name."""
    shop.document["services"]["web"] |= {"image": "shop:dev", "build": {"context": "."}}
    shop.document["services"]["worker"]["image"] = "shop:dev"
    shop.document["services"]["dashboard"] = {"image": "shop:dev", "command": ["dashboard"]}
    shop.document["services"]["migrate"] = {"image": "shop:dev", "profiles": ["release"]}
    shop.document["x-bluegreen"]["migrate"] = {"service": "migrate"}
    program = shop.folder / "bin" / "docker"
    built = f'case " $* " in *" build "*) touch {shop.folder}/built ;; esac\n'
    program.write_text(program.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{built}"))
    answer = shop.engine.answer

    def with_builds(method: str, path: str, query: dict[str, str], body: object) -> tuple[int, object]:
        if (shop.folder / "built").exists():
            shop.engine.pulled("shop:dev")
        return answer(method, path, query, body)

    shop.engine.answer = with_builds  # type: ignore[method-assign]  # the Engine has what Compose has built
    return shop


@pytest.mark.usefixtures("building")
def test_check_does_not_ask_a_registry_for_what_the_release_builds(tell: Tell) -> None:
    code, found = tell("check")
    images = {it["found"] for it in found["findings"] if it["name"] == "image"}
    assert code == 0, images
    assert "worker uses the image that is built for web" in images
    assert "migrate uses the image that is built for web" in images


def test_the_first_up_builds_before_compose_runs_what_names_it(building: Site, tell: Tell) -> None:
    code, found = tell("up")
    assert code == 0, found
    log = building.asked_of_compose
    first = next(number for number, line in enumerate(log) if " build web" in line)
    assert first < next(number for number, line in enumerate(log) if " up --detach" in line)


def test_nothing_is_built_for_shared_services_when_the_image_is_there(building: Site, tell: Tell) -> None:
    assert tell("up")[0] == 0
    (building.folder / "compose.log").write_text("")
    assert tell("up")[1]["outcome"] == "unchanged"
    assert not [line for line in building.asked_of_compose if " build " in line]


@pytest.mark.parametrize(("image", "named"), [("shop:dev", "web"), ("shop:other", None), (None, None)])
def test_who_builds_what_a_service_runs(building: Site, image: str | None, named: str | None) -> None:
    from bluegreen.settings.stack import make_stack

    building.document["services"]["dashboard"] = {"image": image} if image else {"build": {"context": "x"}}
    assert make_stack(building.document, "/srv", [], lambda *_: []).builder("dashboard") == named
