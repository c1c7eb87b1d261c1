"""`profiles: [release]` for the services that bluegreen runs: a plain `docker compose up` does not start them then.

Compose refuses a file in which a service depends on one whose profile is off. So services that depend on a release
service get `required: false`. Source: the Compose specification, profiles and depends_on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bluegreen.compose import cuts
from bluegreen.compose.cuts import CannotCut
from bluegreen.compose.edit import replace
from bluegreen.compose.found import ask
from bluegreen.compose.run import Compose, last_words
from bluegreen.domain.needed import Services, awaited, unmet
from bluegreen.errors import BluegreenError
from bluegreen.files import read

PROFILE = "release"
Edit = tuple[int, int, str]  # from, to, and what is there instead


@dataclass
class Profiles:
    """The possible changes of a file. `optional`: (service, what it depends on); `left`: service -> why not."""

    added: list[str] = field(default_factory=list)
    optional: list[tuple[str, str]] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def leave(self, name: str, why: str) -> None:
        self.added.remove(name)
        self.left[name] = why


def without(services: Services, names: Iterable[str]) -> list[str]:
    """Which of these services have no profile."""
    return [name for name in names if name in services and not services[name].get("profiles")]


def add(compose: Compose, file: Path, folder: Path, names: Sequence[str]) -> Profiles:
    """Adds the profile to these services where that is possible; every other byte stays.

    Apart from that, Compose must read the same project as before, with the profile and without. If not, the file is put
    back as it was, and no service gets the profile. Raises BluegreenError (Compose cannot read the file) and OSError.
    """
    before = compose.resolve(folder)
    services = before.get("services") or {}
    former = read(str(file))
    try:
        text = former.decode()
    except UnicodeDecodeError:
        return Profiles(left=dict.fromkeys(without(services, names), "it is not UTF-8"))
    already = refused(compose)
    found = planned(text, services, without(services, names), unmet(services, names))
    if not found.added and not found.optional:
        return found
    try:
        replace(file, changed(text, found).encode())
        same = compose.resolve(folder) == {**before, "services": dict(wanted(services, found))}
        why = "" if same else "Compose reads the file differently with it"
        why = why or ("" if already else refused(compose))
    except BluegreenError as error:
        why = error.failed or error.summary
    except BaseException:
        replace(file, former)
        raise
    if why:
        replace(file, former)
        return Profiles(left={**found.left, **dict.fromkeys(found.added, why)})
    return found


def refused(compose: Compose) -> str:
    """Why a plain `docker compose up` would refuse the project; empty: it would not."""
    done = ask([*compose._arguments(), "config", "--quiet"])
    return last_words(done.stderr) if done.returncode else ""


def planned(text: str, services: Services, names: Sequence[str], known: Sequence[tuple[str, str]] = ()) -> Profiles:
    """The changes that are possible in this text. `known`: what requires one that has its profile already. Pure."""
    found = Profiles(added=list(names))
    for name in names:
        if tied := next((f"{it} needs it ({key})" for it, key in _tied(services, name) if it not in names), ""):
            found.leave(name, tied)
            continue
        try:
            changed(text, Profiles([name], [(it, name) for it in _waiting(services, name, names)]), names)
        except CannotCut as error:
            found.leave(name, str(error))
    while stays := [(name, it) for name in found.added for it in found.left if name in awaited(services, it)]:
        found.leave(stays[0][0], f"{stays[0][1]} depends on it and has no profile")
    found.optional = [(it, name) for name in found.added for it in _waiting(services, name, names)]
    found.optional += [it for it in known if _possible(text, it)]
    return found


def _possible(text: str, optional: tuple[str, str]) -> bool:
    try:
        changed(text, Profiles(optional=[optional]))
    except CannotCut:
        return False
    return True


def _waiting(services: Services, name: str, names: Sequence[str]) -> list[str]:
    """The other services that depend on `name`, and are started without its profile."""
    return [
        it for it in services
        if it not in names and name in awaited(services, it) and PROFILE not in (services[it].get("profiles") or ())
    ]  # fmt: skip


def _tied(services: Services, name: str) -> Iterator[tuple[str, str]]:
    """(service, key) of each that uses something of this one: then this one must run too."""
    for other, service in services.items():
        for key in ("network_mode", "ipc", "pid", "cgroup"):
            if service.get(key) == f"service:{name}":
                yield other, f"{key}: service:{name}"
        for key in ("volumes_from", "links"):
            if any(str(it).partition(":")[0] == name for it in service.get(key) or ()):
                yield other, key


def wanted(services: Services, changes: Profiles) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What Compose should read after the changes."""
    for name, service in services.items():
        optional = {it for other, it in changes.optional if other == name}
        found = {**service, **({"profiles": [PROFILE]} if name in changes.added else {})}
        if optional:
            waits = service["depends_on"].items()
            found["depends_on"] = {it: {**how, "required": False} if it in optional else how for it, how in waits}
        yield name, found


# -- the text


def changed(text: str, changes: Profiles, beside: Sequence[str] = ()) -> str:
    """The text with the changes. `beside`: services that get the profile too. Raises CannotCut, with why."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CannotCut(str(error)) from None
    services = cuts.get(root, "services")
    if not isinstance(services, yaml.MappingNode):
        raise CannotCut("the file has no services")
    edits = [_profile(text, services, name, (*changes.added, *beside)) for name in changes.added]
    for name in dict.fromkeys(it for it, _ in changes.optional):
        edits += _optional(text, _own(services, name), [it for other, it in changes.optional if other == name])
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _own(services: yaml.MappingNode, name: str) -> yaml.MappingNode:
    """The lines of a service, if they are its own."""
    node = cuts.get(services, name)
    if node is None:
        raise CannotCut(f"{name} is not in this file")
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise CannotCut(f"{name} has no keys of its own in this file")
    if other := next((str(key.value) for key, value in services.value if value is node and key.value != name), None):
        raise CannotCut(f"{name} and {other} are the same lines (an alias)")
    return node


def _profile(text: str, services: yaml.MappingNode, name: str, names: Sequence[str]) -> Edit:
    node = _own(services, name)
    others = [(str(key.value), value) for key, value in services.value if key.value not in names]
    if taker := next((other for other, value in others if node in _merged(value)), None):
        raise CannotCut(f"{taker} copies its lines (<<)")
    first = node.value[0][0]
    at = int(first.start_mark.index)
    if node.flow_style:
        quote = first.style or ""
        return at, at, f"{quote}profiles{quote}: [{quote}{PROFILE}{quote}], "
    start = text.rfind("\n", 0, at) + 1
    if text[start:at].strip():
        raise CannotCut(f"{name} shares a line with its first key")
    return start, start, f"{text[start:at]}profiles: [{PROFILE}]{_newline(text)}"


def _merged(node: yaml.nodes.Node) -> list[yaml.nodes.Node]:
    """What a service merges by `<<`, and what that merges."""
    value = cuts.get(node, cuts.MERGE)
    if value is None:
        return []
    found = list(value.value) if isinstance(value, yaml.SequenceNode) else [value]
    return [*found, *(it for one in found for it in _merged(one))]


def _optional(text: str, service: yaml.MappingNode, names: Sequence[str]) -> Iterator[Edit]:
    waits = next(((key, value) for key, value in service.value if key.value == "depends_on"), None)
    if waits is None:
        raise CannotCut("its depends_on is not in this file")
    key, node = waits
    if isinstance(node, yaml.SequenceNode):
        yield from _as_mapping(text, key, node, names)
    for name in names if isinstance(node, yaml.MappingNode) else ():
        how = cuts.get(node, name)
        if not isinstance(how, yaml.MappingNode) or not how.value:
            raise CannotCut(f"depends_on of {name} has no keys of its own")
        yield _required(text, how)


def _required(text: str, how: yaml.MappingNode) -> Edit:
    old = cuts.get(how, "required")
    if old is not None:
        return int(old.start_mark.index), int(old.end_mark.index), "false"
    first = how.value[0][0]
    at = int(first.start_mark.index)
    if how.flow_style:
        quote = first.style or ""
        return at, at, f"{quote}required{quote}: false, "
    start = text.rfind("\n", 0, at) + 1
    if text[start:at].strip():
        raise CannotCut("depends_on shares a line with its first key")
    return start, start, f"{text[start:at]}required: false{_newline(text)}"


def _as_mapping(text: str, key: yaml.nodes.Node, node: yaml.SequenceNode, names: Sequence[str]) -> Iterator[Edit]:
    """A list of names becomes the long form: only that one has `required`."""
    written = {int(it.start_mark.index): str(it.value) for it in node.value}
    words = {at: f"{name}: {_condition(name not in names)}" for at, name in written.items()}
    if node.flow_style:
        yield int(node.start_mark.index), int(node.end_mark.index), f"{{{', '.join(words.values())}}}"
        return
    for it in node.value:
        at = int(it.start_mark.index)
        start = text.rfind("\n", 0, at) + 1
        if not re.fullmatch(r" *- +", text[start:at]) or not isinstance(it, yaml.ScalarNode):
            raise CannotCut("depends_on is a list that shares lines with something else")
        deeper = "" if it.start_mark.column - 2 > key.start_mark.column else "  "
        indent = " " * (len(text[start:at]) - len(text[start:at].lstrip(" ")))
        yield start, int(it.end_mark.index), f"{indent}{deeper}{words[at]}"


def _condition(required: bool) -> str:
    return f"{{condition: service_started{'' if required else ', required: false'}}}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
