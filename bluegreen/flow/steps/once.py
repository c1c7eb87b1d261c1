"""What runs once for a release: its migration, and hooks."""

from __future__ import annotations

from bluegreen.domain.app import HookName
from bluegreen.flow.hooks import run_hooks
from bluegreen.flow.making import Making
from bluegreen.flow.migrate import migrate
from bluegreen.flow.steps.depends_on import await_dependencies


def migration(it: Making) -> str:
    migration = it.stack.settings.migrate
    service = (migration.run.service if migration else "") or ""
    image = it.new.images[service]
    await_dependencies(it, service)
    done = migrate(it.tools, it.stack, image, it.new.color, it.new.release, it.request.migrate)
    it.new.migrated = True
    return done


def hooks(it: Making, name: HookName, outcome: str) -> str:
    return run_hooks(it.tools, it.stack, name, it.moment(outcome), it.new.images)
