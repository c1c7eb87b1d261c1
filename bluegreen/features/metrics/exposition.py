"""Prometheus' text format, version 0.0.4: families of samples in, text out. Pure.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass
class Family:
    """All samples of one name. `help` is the same for every app: node_exporter merges files."""

    name: str
    kind: Kind
    help: str
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def add(self, value: float, suffix: str = "", **labels: str) -> Family:
        self.samples.append((f"{self.name}{suffix}", labels, value))
        return self


def written(families: Iterable[Family], common: Mapping[str, str]) -> str:
    """The text. `common`: labels of every sample. Families without a sample are left out."""
    lines = []
    for it in families:
        if not it.samples:
            continue
        lines += [f"# HELP {it.name} {_help(it.help)}", f"# TYPE {it.name} {it.kind}"]
        lines += [f"{name}{_labels({**common, **labels})} {_number(value)}" for name, labels, value in it.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    found = ",".join(f'{name}="{_value(value)}"' for name, value in labels.items())
    return f"{{{found}}}" if found else ""


def _value(text: str) -> str:
    return _help(text).replace('"', '\\"')


def _help(text: str) -> str:
    clean = text.encode(errors="replace").decode().replace("\0", " ").replace("\r", " ")
    return clean.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
