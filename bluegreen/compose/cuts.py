"""Small changes in the text of a Compose file, at the places that a YAML parser gives: every other byte stays. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

Node = yaml.nodes.Node
MERGE = "<<"


@dataclass(frozen=True)
class Changes:
    """The changes to make in the services of a file."""

    take_out: Sequence[tuple[str, str]] = ()  # (service, key)
    renamed: Mapping[str, str] = field(default_factory=dict)
    gone: Sequence[str] = ()  # services, all of each

    def __bool__(self) -> bool:
        return bool(self.take_out or self.renamed or self.gone)


class CannotCut(Exception):
    """What must change is not in this file, or cannot be cut out of it."""


def changed(text: str, changes: Changes) -> str:
    """The text with the changes. Raises CannotCut."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CannotCut(str(error)) from None
    services = get(root, "services")
    if not isinstance(services, yaml.MappingNode):
        raise CannotCut("no services")
    edits = list(_edits(text, services, changes))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _edits(text: str, services: yaml.MappingNode, changes: Changes) -> Iterator[tuple[int, int, str]]:
    """(start, end, what is there instead) of each; none overlaps another."""
    names = {str(key.value): (key, value) for key, value in services.value}
    for name in changes.gone:
        yield _entry(text, services, name)
    for old, new in changes.renamed.items():
        if old not in names:
            raise CannotCut(f"{old} is not in this file")
        yield names[old][0].start_mark.index, names[old][0].end_mark.index, new
    for service, key in changes.take_out:
        written = next((old for old, new in changes.renamed.items() if new == service), service)
        if written not in names:
            raise CannotCut(f"{service} is not in this file")
        yield _entry(text, names[written][1], key)
    for name, (_, service) in names.items():
        if name not in changes.gone and isinstance(service, yaml.MappingNode):
            yield from _depends(text, service, changes)


def _depends(text: str, service: yaml.MappingNode, changes: Changes) -> Iterator[tuple[int, int, str]]:
    """depends_on of a service, where what it names is renamed or gone."""
    wanted = get(service, "depends_on")
    if isinstance(wanted, yaml.MappingNode):
        nodes = [key for key, _ in wanted.value]
    elif isinstance(wanted, yaml.SequenceNode):
        nodes = list(wanted.value)
    else:
        return
    if all(str(it.value) in changes.gone for it in nodes):
        yield _entry(text, service, "depends_on")
        return
    for it in nodes:
        name = str(it.value)
        if name in changes.renamed:
            yield it.start_mark.index, it.end_mark.index, changes.renamed[name]
        elif name in changes.gone and isinstance(wanted, yaml.MappingNode):
            yield _entry(text, wanted, name)
        elif name in changes.gone and isinstance(wanted, yaml.SequenceNode):
            yield _span(text, wanted, [(node, node) for node in wanted.value], nodes.index(it))


def get(node: Node | None, key: str) -> Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _entry(text: str, node: Node, key: str) -> tuple[int, int, str]:
    """The span of one entry of a mapping."""
    if not isinstance(node, yaml.MappingNode):
        raise CannotCut(f"{key} is not in this file")
    at = next((number for number, (name, _) in enumerate(node.value) if name.value == key), None)
    if at is None:
        raise CannotCut(f"{key} is not in this file")
    return _span(text, node, node.value, at)


def _span(text: str, node: Node, entries: Sequence[tuple[Node, Node]], at: int) -> tuple[int, int, str]:
    first, last = entries[at]
    if getattr(node, "flow_style", False):
        if at + 1 < len(entries):
            return first.start_mark.index, entries[at + 1][0].start_mark.index, ""
        start = entries[at - 1][1].end_mark.index if at else first.start_mark.index
        return start, last.end_mark.index, ""
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    before = text[start : first.start_mark.index].strip()
    if before not in ("", "-"):
        raise CannotCut("it shares its line with something else")
    end = text.find("\n", _end(text, last))
    return start, len(text) if end < 0 else end + 1, ""


def _end(text: str, node: Node) -> int:
    """Where the last character of a node is; the parser ends a block at the next one, after its comments."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        if not node.value:
            return int(node.start_mark.index)
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    index = int(node.end_mark.index)
    while index > node.start_mark.index and text[index - 1] in " \r\n\t":
        index -= 1
    return index
