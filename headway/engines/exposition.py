"""Reads the Prometheus text format as engines write it: name, labels, value; the rest is passed over.

An engine's /metrics is read every second or so for each Replica; prometheus_client's parser builds objects
for each of vLLM's thousands of histogram buckets. This one splits lines and leaves the buckets out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

__all__ = ["Samples", "labels", "mean", "samples", "total"]

Samples = Mapping[str, tuple[float, ...]]
"""A metric's name -> its values, one for each set of labels."""


def samples(text: str) -> Samples:
    """Every sample of the text except histogram buckets. A line that is not understood is passed over."""
    found: dict[str, tuple[float, ...]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, value = _split(line)
        if not name or name.endswith("_bucket"):
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        found[name] = (*found.get(name, ()), number)
    return found


def total(found: Samples, *names: str) -> int | None:
    """The sum over labels of the first name that is there, for engines rename metrics; None if none is."""
    for name in names:
        values = [value for value in found.get(name, ()) if math.isfinite(value)]
        if values:
            return int(sum(values))
    return None


def mean(found: Samples, *names: str) -> float | None:
    """The mean over labels of the first name that is there."""
    for name in names:
        values = [value for value in found.get(name, ()) if math.isfinite(value)]
        if values:
            return sum(values) / len(values)
    return None


_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')


def labels(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """The label sets of one metric, each with its value. Escapes within values stay as they are."""
    found = []
    for line in text.splitlines():
        if line.startswith(name + "{"):
            try:
                value = float(_split(line)[1])
            except ValueError:
                continue
            found.append((dict(_LABEL.findall(line)), value))
    return found


def _split(line: str) -> tuple[str, str]:
    """`name{labels} value [timestamp]` -> name, value. Labels may hold spaces and braces: look from the
    right."""
    if "{" in line:
        name, _, rest = line.partition("{")
        _, closed, rest = rest.rpartition("}")
        if not closed:
            return "", ""
    else:
        name, _, rest = line.partition(" ")
    fields = rest.split()
    return (name.strip(), fields[0]) if fields else ("", "")
