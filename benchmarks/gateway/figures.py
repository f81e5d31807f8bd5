"""Medians with their noise, and ratios taken inside a round. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gateway.observation import FIGURES, Observation

__all__ = ["Spread", "by_round", "differences", "ratios", "spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of a figure over the rounds."""

    median: float
    low: float
    high: float
    count: int

    def __format__(self, form: str) -> str:
        """`median (low to high)`, or the value alone when there is only one."""
        if self.count == 1:
            return format(self.median, form)
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def spread(values: Iterable[float]) -> Spread | None:
    known = sorted(values)
    return Spread(statistics.median(known), known[0], known[-1], len(known)) if known else None


def by_round(seen: Sequence[Observation], proxy: str, workload: str, figure: str) -> Mapping[int, float]:
    """The figure in each round whose run counts."""
    found = (each for each in seen if (each.proxy, each.workload) == (proxy, workload) and not each.fault)
    return {each.round: FIGURES[figure](each) for each in found}


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    """Ours over theirs, of the rounds in which both count."""
    return spread(ours[number] / theirs[number] for number in sorted(ours.keys() & theirs.keys()) if theirs[number])


def differences(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    return spread(ours[number] - theirs[number] for number in sorted(ours.keys() & theirs.keys()))
