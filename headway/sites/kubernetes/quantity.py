"""Kubernetes' notation for amounts (`500m`, `32Gi`, `1e3`), as nodes, pods and claims have them."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Amounts", "amount", "amounts"]

_FORM = re.compile(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:(n|u|m|k|[MGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,3}))?", re.ASCII)
_TIMES = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3} | {
    f"{letter}{i}": float(base**power)
    for power, letter in enumerate("KMGTPE", 1)
    for i, base in (("", 1000), ("i", 1024))
}

Amounts = Mapping[str, float]
"""Resource name -> how much of it."""


def amount(written: str | float) -> float:
    """In the base unit: cores, bytes, pieces. 0 for what is no quantity: one odd node must not hide the others."""
    match = _FORM.fullmatch(str(written))
    if match is None:
        return 0.0
    number, suffix, power = match.groups()
    return float(number) * (10.0 ** int(power) if power else _TIMES[suffix or ""])


def amounts(written: Mapping[str, str | float] | None) -> dict[str, float]:
    return {name: amount(each) for name, each in (written or {}).items()}
