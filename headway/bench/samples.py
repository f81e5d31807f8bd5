"""Runs that lie on a disk -> what `compare` compares: of each request that counts, its figures and what was planned
for it.

Of two runs with one schedule the requests that count in both are compared: warm-ups may have been found to end at
different moments, and then the later one counts for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headway.bench.compare import Sample
from headway.bench.record import Record
from headway.bench.trial import counted
from headway.errors import SpecError, UsageError

if TYPE_CHECKING:
    from headway.bench.arrays import Floats
    from headway.bench.facts import RunFacts
    from headway.bench.schema import Slo, Summary

__all__ = ["samples"]

FILES = ("records.jsonl", "records.parquet")


@dataclass(frozen=True, slots=True)
class _Run:
    path: Path
    records: list[Record]
    facts: RunFacts
    limits: list[Slo]
    summary: Summary


def samples(a: Sequence[Path], b: Sequence[Path]) -> tuple[list[Sample], list[Sample], list[str]]:
    """Both sides, and what a reader should know of them. Raises UsageError or SpecError."""
    if not a or not b:
        raise UsageError("--compare: two runs are needed", hint="headway bench --compare FOLDER FOLDER")
    left, right = [_read(each) for each in a], [_read(each) for each in b]
    if len(left) == len(right):
        pairs = [_paired(x, y) for x, y in zip(left, right, strict=True)]
        return [x for x, _ in pairs], [y for _, y in pairs], list(_cautions(left, right))
    return (
        [_sample(each, _counted(each)) for each in left],
        [_sample(each, _counted(each)) for each in right],
        list(_cautions(left, right)),
    )


def _paired(left: _Run, right: _Run) -> tuple[Sample, Sample]:
    ours, theirs = _counted(left), _counted(right)
    if left.facts.workload == right.facts.workload and left.facts.seed == right.facts.seed:
        both = {each.number for each in ours} & {each.number for each in theirs}
        ours, theirs = ([each for each in side if each.number in both] for side in (ours, theirs))
    return _sample(left, ours), _sample(right, theirs)


def _counted(run: _Run) -> list[Record]:
    """Those that were due within the windows, in that order; of a closed loop, in the order of their numbers."""
    return sorted(counted(run.records, run.summary), key=lambda each: each.number)


def _sample(run: _Run, records: list[Record]) -> Sample:
    import numpy as np  # noqa: PLC0415

    from headway.bench.measures import measured  # noqa: PLC0415
    from headway.bench.slo import kept  # noqa: PLC0415

    of = measured(records)
    judged = kept(of, run.limits)
    asked = np.where(judged.asked, 1.0, np.nan)
    tokens = np.array([float(each.output_tokens or 0) if not each.error else 0.0 for each in records])
    columns: dict[str, Floats] = {
        "ttft_due": of.ttft_sched,
        "ttft_sent": of.ttft_send,
        "e2e_due": of.e2e_sched,
        "tpot": of.tpot,
        "answered": of.answered.astype(np.float64),
        "output_tokens": tokens,
        "hit": judged.inside.astype(np.float64) * asked if run.limits else np.full(len(records), np.nan),
    }
    keys = [
        (each.number, each.operation, each.model, each.planned_prompt, each.wanted_tokens, each.session, each.turn)
        for each in records
    ]
    return Sample(str(run.path), keys, columns, run.summary.whole.seconds)


def _cautions(left: Sequence[_Run], right: Sequence[_Run]) -> list[str]:
    told = [
        f"{each.path} is {each.summary.verdict.text}"
        for each in (*left, *right)
        if each.summary.verdict.word != "VALID"
    ]
    if len({each.facts.workload for each in (*left, *right)}) > 1:
        told.append(
            "the workloads differ in name: " + ", ".join(sorted({each.facts.workload for each in (*left, *right)}))
        )
    return told


def _read(path: Path) -> _Run:
    from headway.bench.records import read_records  # noqa: PLC0415
    from headway.bench.summary import summarise  # noqa: PLC0415

    file = path
    if path.is_dir():
        file = next((path / name for name in FILES if (path / name).is_file()), path)
        if file == path:
            raise SpecError(
                "holds no records",
                hint="measure with --records jsonl; the summary alone has no single requests",
                file=str(path),
            )
    if not file.exists():
        raise SpecError("is not there", hint="give the folder of a run, or its records.jsonl", file=str(path))
    found = read_records(file)
    if found.facts is None:
        raise SpecError(
            "ends early: what the run tells of itself is not there",
            hint="its disk was full, or it was killed; measure again",
            file=str(file),
        )
    limits = list(found.slo)
    return _Run(path, list(found.records), found.facts, limits, summarise(found.records, found.facts, limits))
