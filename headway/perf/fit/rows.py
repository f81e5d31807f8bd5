"""The measured rows of a folder, ready to be fitted: each with its Setting, its mean load and its group.

A row that stands there several times (the dumps overlap, and versions of one engine differ little) counts once; a
group of many rows (model, system, engine, harness) counts as its square root, so that no benchmark drowns the others.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.errors import HeadwayError, UsageError
from headway.perf.bands import shape
from headway.perf.constants import Constants
from headway.perf.evaluate.row import Measured, measured, settings
from headway.perf.prediction import Load
from headway.perf.setting import Setting

__all__ = ["Sample", "samples", "weights"]


@dataclass(frozen=True, slots=True)
class Sample:
    row: Measured
    settings: tuple[Setting, ...]
    load: Load
    engine: str
    """Names its settings: equal ones have one name."""

    @property
    def group(self) -> tuple[str, ...]:
        return (self.row.harness, self.row.mode, *self.row.group)

    @property
    def model(self) -> str:
        return shape(self.settings[0].model)

    @property
    def accelerator(self) -> str:
        return self.settings[0].accelerator.name


def samples(folder: Path, by: Constants) -> list[Sample]:
    """UsageError: no such file, or a row that is none."""
    file = folder / "perf" / "e2e_measured.csv" if (folder / "perf").is_dir() else folder / "e2e_measured.csv"
    if not file.is_file():
        raise UsageError(f"no {file}", hint="name the folder that has e2e_measured.csv")
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [measured(fields, line, str(file)) for line, fields in enumerate(csv.DictReader(lines), 2)]
    return list(_once(_samples(rows, by)))


def _samples(rows: Iterable[Measured], by: Constants) -> Iterable[Sample]:
    for row in rows:
        if not row.compared:
            continue
        harness = by.harnesses[row.harness]
        try:
            found = settings(row)
        except HeadwayError:
            continue
        prompt, output = row.prompt * harness.mean, row.output * harness.mean
        cached = prompt * harness.cached.get(found[0].engine, 0.0)
        load = Load(prompt, output, concurrency=row.callers, cached=cached)
        yield Sample(row, found, load, repr(found))


def _once(found: Iterable[Sample]) -> Iterable[Sample]:
    seen = set()
    for each in found:
        row = each.row
        asked = row.prompt, row.output, row.callers, round(row.tpot, 5), round(row.ttft, 3)
        key = (each.group, each.engine, asked)
        if key not in seen:
            seen.add(key)
            yield each


def weights(found: Sequence[Sample]) -> list[float]:
    """1 / sqrt(rows of its group), so that the mean of the squares is that of a group."""
    many = Counter(each.group for each in found)
    return [many[each.group] ** -0.5 for each in found]
