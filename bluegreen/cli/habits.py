"""What somebody types by habit of another tool, and what does it here. Loaded only when there is no such command."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LIVE = "docker exec -it APP-COLOR-SERVICE-1 sh (bluegreen status shows the color)"
# What was typed (Compose, Docker, Kamal, Capistrano, Heroku, Dokku, kubectl, systemctl): what to type.
INSTEAD = {
    "rollback": "bluegreen flip-back", "revert": "bluegreen flip-back", "undo": "bluegreen flip-back",
    "back": "bluegreen flip-back", "flipback": "bluegreen flip-back", "flip": "bluegreen flip-back",
    "deploy": "bluegreen switch", "redeploy": "bluegreen switch --force", "release": "bluegreen switch",
    "rollout": "bluegreen switch", "update": "bluegreen switch",
    "upgrade": "bluegreen switch", "push": "bluegreen switch", "apply": "bluegreen switch",
    "restart": "bluegreen switch --force", "reload": "bluegreen switch --force",
    "reboot": "bluegreen switch --force", "recreate": "bluegreen switch --force",
    "build": "bluegreen switch (it builds)", "pull": "bluegreen switch --pull",
    "start": "bluegreen up", "run": "bluegreen up", "setup": "bluegreen up", "boot": "bluegreen up",
    "repair": "bluegreen up", "fix": "bluegreen up", "resume": "bluegreen up", "adopt": "bluegreen up --adopt",
    "stop": "bluegreen down (stops and removes)", "remove": "bluegreen down", "rm": "bluegreen down",
    "destroy": "bluegreen down", "delete": "bluegreen down", "kill": "bluegreen down", "uninstall": "bluegreen down",
    "ps": "bluegreen status", "ls": "bluegreen apps", "list": "bluegreen apps", "info": "bluegreen status",
    "details": "bluegreen status", "get": "bluegreen status", "state": "bluegreen status", "live": "bluegreen status",
    "health": "bluegreen status", "lock": "bluegreen status", "version": "bluegreen --version",
    "log": "bluegreen logs", "tail": "bluegreen logs -f", "audit": "bluegreen history", "releases": "bluegreen history",
    "describe": "bluegreen show", "inspect": "bluegreen show", "diff": "bluegreen show",
    "plan": "bluegreen switch --dry-run", "test": "bluegreen rehearse", "stage": "bluegreen prepare",
    "preview": "bluegreen prepare", "cancel": "bluegreen prepare --give-up", "abort": "bluegreen prepare --give-up",
    "validate": "bluegreen check", "doctor": "bluegreen check", "lint": "bluegreen check", "verify": "bluegreen check",
    "record": "bluegreen expect --record GET /", "new": "bluegreen init --write", "create": "bluegreen init --write",
    "config": "bluegreen init (prints the block), bluegreen help settings", "docs": "bluegreen help",
    "man": "bluegreen help", "exec": LIVE, "shell": LIVE, "console": LIVE, "attach": LIVE, "app": "bluegreen status",
    "ssh": LIVE, "proxy": "bluegreen logs proxy", "top": "docker stats", "stats": "docker stats",
    "events": "docker events", "images": "docker image ls 'bluegreen/*'", "cp": "docker cp",
    "prune": "x-bluegreen.keep in the Compose file", "scale": "deploy.replicas in the file, then bluegreen switch",
    "env": "environment in the file, then bluegreen switch", "secrets": "bluegreen help secrets",
    "restore": "bluegreen switch --to RELEASE", "checkout": "bluegreen switch --to RELEASE",
    "drain": "x-bluegreen.drain in the Compose file", "watch": "watch bluegreen status",
}  # fmt: skip


def hint(typed: str, verbs: Iterable[str]) -> str:
    """A sentence that says what to type instead; empty: nothing comes near."""
    word = typed.lower()
    if word in INSTEAD:
        return f"Type: {INSTEAD[word]}"
    near = difflib.get_close_matches(word, [*verbs, *INSTEAD], n=1)
    if near:
        return f"Type: {INSTEAD.get(near[0], f'bluegreen {near[0]}')}"
    return "All commands: bluegreen --help"
