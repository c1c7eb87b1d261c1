"""The generated pages of the reference. `python -m tests.support.pages` writes them; a test compares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from bluegreen.cli.main import VERBS, cli
from bluegreen.places.docker.spec import DIFFERENT, KNOWN, REASONS, SAME_ADDRESS
from bluegreen.settings import blocks as settings
from bluegreen.settings.compare import CompareBlock
from bluegreen.settings.watch import WatchBlock
from tests.support import faults
from tests.support.json_page import json_page
from tests.support.machine import ROOT

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
BLOCKS = (
    ("", settings.Block),
    ("services.NAME.", settings.ServiceBlock),
    ("internal.NAME.", settings.InternalBlock),
    ("health.", settings.HealthBlock),
    ("health.expect.", settings.ExpectBlock),
    ("proxy.", settings.ProxyBlock),
    ("migrate.", settings.MigrateBlock),
    ("compare.", CompareBlock),
    ("watch.", WatchBlock),
    ("hooks.", settings.HooksBlock),
    ("hooks.*.", settings.HookBlock),
)
# Defaults as a person would write them, where the parsed value reads otherwise.
WRITTEN = {
    "proxy.max_body": "`100m`", "proxy.max_request_headers": "`64k`", "proxy.max_answer_headers": "`64k`",
    "proxy.websocket_timeout": "`1h`", "listen": "`80`", "preview": "`127.0.0.1:8081`", "health": "`/health`",
}  # fmt: skip


def settings_table() -> str:
    """Every key with its default and meaning, from the classes that validate it."""
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *_rows()])


def _rows() -> Iterator[str]:
    for prefix, block in BLOCKS:
        for name, field in block.model_fields.items():
            key = f"{prefix}{field.alias or name}"
            yield f"| `{key}` | {WRITTEN.get(key) or _default(field)} | {field.description} |"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    return f"`{value:g}s`" if isinstance(value, float) else f"`{value}`"


def keys_table() -> str:
    """The keys of a Compose service: what a color makes of each, from the tables that decide it."""
    plain = sorted(KNOWN - DIFFERENT.keys())
    refused = [*REASONS.items(), ("networks.*.ipv4_address, ipv6_address, link_local_ips, mac_address", SAME_ADDRESS)]
    rows = [
        "| keys | in a color |", "| --- | --- |",
        f"| {', '.join(f'`{key}`' for key in plain)} | as plain Compose, compared with it key by key |",
        *(f"| `{key}` | {words} |" for key, words in DIFFERENT.items()),
        *(f"| {', '.join(f'`{name}`' for name in key.split(', '))} | **refused**: {why} |" for key, why in refused),
        "| any other | **refused** by name |",
    ]  # fmt: skip
    return "\n".join(rows)


def verbs_page() -> str:
    """Every verb with its options, as click has them."""
    lines = [
        "# Commands",
        "",
        "Generated from the program: `bluegreen COMMAND --help` prints the same.",
        "",
        "<!-- commands -->",
    ]
    root = cli.make_context("bluegreen", [], resilient_parsing=True)
    lines += [*_command(cli, root, "Global options, before the command"), "", "As in Compose."]
    for verb in sorted(VERBS):
        command = cli.get_command(root, verb)
        assert command is not None
        lines += ["", *_command(command, click.Context(command, parent=root, info_name=verb), verb)]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context, title: str) -> Iterator[str]:
    yield from (f"## {title}", "", "```text", command.get_usage(context).removeprefix("Usage: "), "```")
    if command is not cli:
        yield from ("", *(command.help or "").split("\n"))
    rows = [found for parameter in command.get_params(context) if (found := parameter.get_help_record(context))]
    if rows := [(names, words) for names, words in rows if names != "--help" and words]:
        yield ""
        yield from (f"- `{' '.join(names.split())}`: {' '.join(words.split())}" for names, words in rows)


def errors_page() -> str:
    """Every error by its code, from docs/errors."""
    lines = [
        "# Errors by code", "",
        "`bluegreen help CODE` prints the same text. An error ends with its code; with --json it is `error.code`.", "",
    ]  # fmt: skip
    for path in sorted((DOCS / "errors").glob("*.md")):
        lines += [re.sub(r"^# ([\w-]+): (.+)$", r"## \1\n\n\2.", path.read_text().strip(), flags=re.MULTILINE), ""]
    return "\n".join(lines)


def generated() -> dict[Path, str]:
    """Each page that is generated, in part or as a whole, as it has to be now."""
    tables = {"settings": settings_table, "compose-keys": keys_table, "faults": faults.table}
    found = {}
    for name, table in tables.items():
        page = REFERENCE / f"{name}.md"
        start, rest = re.split(r"(?<=<!-- generated -->\n)", page.read_text(), maxsplit=1)
        found[page] = f"{start}{table()}\n{rest[rest.index('<!-- /generated -->') :]}"
    pages = {"commands": verbs_page, "errors": errors_page, "json": json_page}
    return found | {REFERENCE / f"{name}.md": made() for name, made in pages.items()}


if __name__ == "__main__":
    for page, text in generated().items():
        page.write_text(text)
