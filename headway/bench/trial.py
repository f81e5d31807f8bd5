"""One run from beginning to end: what it sent, what became of it, and what that comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.bench.facts import RunFacts
from headway.bench.plan import Progress, RunPlan
from headway.bench.record import Record
from headway.bench.schema import Slo, Summary

__all__ = ["Trial", "Watch", "counted", "measure"]

Watch = Callable[[Progress, Sequence[Record]], bool]
"""Four times a second: how far the run is, and all records so far. True ends the sending."""


@dataclass(frozen=True, slots=True)
class Trial:
    records: list[Record]
    facts: RunFacts
    summary: Summary

    @property
    def counted(self) -> list[Record]:
        return counted(self.records, self.summary)


def counted(records: Sequence[Record], summary: Summary) -> list[Record]:
    """Those that the figures of the summary are of: due within their stage's window."""
    spans = [(each.start, each.end) for each in summary.windows]
    return [each for each in records if spans[each.stage][0] <= each.due < spans[each.stage][1]]


def measure(
    plan: RunPlan,
    limits: list[Slo],
    *,
    keep: Callable[[Record], None] | None = None,
    watch: Watch | None = None,
    tokenizer: Path | None = None,
) -> Trial:
    """`keep` gets each record as it comes. Raises what `headway.bench.run.run` raises before any load, and what `keep`
    does; UsageError for a tokenizer that cannot be read."""
    from headway.bench.run import run  # noqa: PLC0415
    from headway.bench.summary import summarise  # noqa: PLC0415

    records: list[Record] = []

    def sink(record: Record) -> None:
        records.append(record)
        if keep is not None:
            keep(record)

    facts = run(plan, sink, watch=None if watch is None else lambda progress: watch(progress, records))
    if tokenizer is not None:
        from headway.bench.tokenizer import token_findings  # noqa: PLC0415

        facts.checked = token_findings(records, tokenizer)
    return Trial(records, facts, summarise(records, facts, limits))
