"""The figures of many trials, as Markdown. Ratios are paired: a round asks everybody the same."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.routing.figures import Figures
from benchmarks.routing.verdict import OURS, against
from benchmarks.routing.virtual.trial import Trial

__all__ = ["table"]


def table(trials: Sequence[Trial]) -> Iterator[str]:
    yield "| workload | subject | TTFT p50 | p95 | p95 / ours | e2e p50 | hits | missed |"
    yield "|---|---|---|---|---|---|---|---|"
    for workload in dict.fromkeys(trial.workload for trial in trials):
        mine = [trial for trial in trials if trial.workload == workload]
        tails: dict[str, dict[int, float]] = {}
        for trial in mine:
            tails.setdefault(trial.subject, {})[trial.round] = _known(trial).ttft_p95
        for subject in tails:
            shown = [_known(trial) for trial in mine if trial.subject == subject]
            pair = against(tails, subject, OURS) if subject != OURS else None
            cells = (
                f"{statistics.median(each.ttft_p50 for each in shown):.3f}",
                f"{statistics.median(each.ttft_p95 for each in shown):.3f}",
                str(pair or ""),
                f"{statistics.median(each.e2e_p50 for each in shown):.2f}",
                f"{statistics.mean(each.hit_rate for each in shown):.1%}",
                str(sum(each.missed for each in shown)),
            )
            yield f"| {workload} | {subject} | {' | '.join(cells)} |"


def _known(trial: Trial) -> Figures:
    if trial.figures is None:
        raise ValueError("a trial that was not run has no figures")
    return trial.figures
