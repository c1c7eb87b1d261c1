"""The images of a release, pinned; or nothing new at all."""

from __future__ import annotations

from pathlib import Path

from bluegreen.domain.record import defining_services, gone_back_from, written_down
from bluegreen.domain.release import Begun, Image
from bluegreen.domain.routing import Slot
from bluegreen.errors import BluegreenError
from bluegreen.flow.checks import taken_names
from bluegreen.flow.making import Making
from bluegreen.flow.migrate import settle_doubt
from bluegreen.flow.retention import note_makings
from bluegreen.flow.run import NothingChanged
from bluegreen.flow.values import ImageWish
from bluegreen.plans.differences import ended_jobs, unhealthy_replicas


def image(it: Making) -> str:
    names = it.stack.settings.own_services()
    restored = it.request.restored.images if it.request.restored else {}
    overrides = it.request.overrides
    making = {overrides.get(name) or it.stack.image_reference(name) for name in names if name not in restored}
    note_makings(it.tools, sorted(making))
    live = it.world.slot(it.world.live) if it.world.live else None
    # What is built first: a worker may run the image that web builds, by its name alone.
    for service in sorted(names, key=lambda name: not it.stack.services[name].get("build")):
        known = live.images.get(service) if live else None
        wish = ImageWish(it.request.build, it.request.pull, overrides.get(service), restored.get(service), known)
        it.new.images[service] = it.tools.images.of_service(it.stack, service, wish, it.tools.show.progress)
    if live and _same(it, live) and not it.request.force:
        here = [it for it in it.tools.containers.replicas() if it.color == live.color]  # after a handover, too
        if wrong := [*unhealthy_replicas(live, here), *ended_jobs(live, here)]:
            raise BluegreenError(
                f"There is nothing new to release, and {live.color} is not complete.", code="live-incomplete",
                failed="; ".join(wrong),
                expected=f"every replica of release {live.release} to run",
                retry="not useful before it is complete",
                next=f"{it.tools.command} up (makes {live.color} complete), or {it.tools.command} switch --force",
            )  # fmt: skip
        back = it.request.restored
        what = f"release {back.release} was" if back else "the Compose file says"
        it.tools.journal.pending_images.end()
        raise NothingChanged(f"release {live.release} on {it.world.live} is what {what}")
    _refuse_gone_back(it)
    for error in taken_names(it.tools.engine.owners(), it.stack, it.wish.replicas):  # asked before anything makes room
        raise error
    if it.request.migrate and not it.wish.migrate:
        settle_doubt(it.tools, it.request.migrate)
    interpolated = it.tools.compose.interpolated(Path(it.stack.project_directory))
    written = written_down(it.stack, defining_services(it.stack), it.wish.replicas, it.tools.fingerprint, interpolated)
    begun = Begun(
        it.new.release, it.new.color, it.wish.definition, it.new.images, written, it.request.note,
        live.release if live else None, it.request.restored.release if it.request.restored else None,
    )  # fmt: skip
    it.tools.journal.releases.start(begun)
    for service, image in it.new.images.items():
        it.tools.images.hold(image.id, service, it.new.release)
    it.tools.journal.pending_images.end()
    return ", ".join(f"{name} {image.id.removeprefix('sha256:')[:12]}" for name, image in it.new.images.items())


def _refuse_gone_back(it: Making) -> None:
    """What somebody went back from is not released again without --force."""
    marked = gone_back_from(it.tools.journal.operations.moves())
    if restored := it.request.restored:
        if restored.release in marked:
            it.tools.show.notice(f"Somebody went back from release {restored.release} before.")
        return
    for record in it.tools.journal.releases.all() if marked and not it.request.force else ():
        images = {name: Image(**image) for name, image in record["images"].items()}
        mine = it.new.images
        same = record["definition"] == it.wish.definition and images.keys() == mine.keys()
        if record["number"] in marked and same and all(mine[name].same_as(image) for name, image in images.items()):
            verb = it.request.verb
            raise BluegreenError(
                f"Somebody went back from release {record['number']}, and this release is the same.",
                code="same-release", failed="neither its images nor its settings have changed since",
                expected="a release that fixes the cause; or --force, if the cause was somewhere else",
                retry="only with --force", next=f"{it.tools.command} {verb} --force",
            )  # fmt: skip


def _same(it: Making, live: Slot | None) -> bool:
    if live is None or live.definition != it.wish.definition:
        return False
    mine = it.new.images
    return all(name in mine and mine[name].same_as(image) for name, image in live.images.items())
