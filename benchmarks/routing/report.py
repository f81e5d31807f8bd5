"""The tables: one of figures for each workload, one of how far the runs can be trusted, and the verdicts. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.routing.figures import Figures
from benchmarks.routing.run import Run
from benchmarks.routing.verdict import OURS, Rounds, Verdict, against, verdicts
from benchmarks.routing.workloads import Workload

__all__ = ["judged", "rounds_of", "told"]

FIGURES = ("", "TTFT p50", "p95", "p95 / ours", "e2e p50", "hits", "requests", "missed", "errors")
TRUST = ("", "lag p99", "engines p99", "late", "machine", "generator", "router", "engines", "own", "invalid")


def told(workload: Workload, runs: Sequence[Run]) -> str:
    """Markdown. Times of figures are the engines' seconds, medians over the valid rounds."""
    subjects = list(dict.fromkeys(run.subject for run in sorted(runs, key=lambda run: (run.round, run.subject))))
    tails = rounds_of(runs, lambda figures: figures.ttft_p95)
    by_subject = [(name, [run for run in runs if run.subject == name]) for name in subjects]
    scale, window = workload.time_scale, workload.window
    return "\n".join(
        (
            f"### {workload.name}: {workload.about}",
            f"{workload.rate:g} sessions/s, judged {window.warm:g} to {window.end:g} s, time scale {scale:g}",
            "",
            *_rows(FIGURES, (_figures(name, valid(mine), tails) for name, mine in by_subject)),
            "",
            *_rows(TRUST, (_trust(name, mine) for name, mine in by_subject)),
            "",
        )
    )


def judged(workload: Workload, runs: Sequence[Run], peers: Sequence[str]) -> list[Verdict]:
    tails = rounds_of(runs, lambda figures: figures.ttft_p95)
    return verdicts(workload.name, tails, peers, workload.talks, workload.shares)


def rounds_of(runs: Sequence[Run], figure: Callable[[Figures], float]) -> Rounds:
    """One figure of the valid runs, by subject and round; a subject without one is there and has none."""
    found: dict[str, dict[int, float]] = {run.subject: {} for run in runs}
    for run in valid(runs):
        found[run.subject][run.round] = figure(run.figures)
    return found


def valid(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if not run.validity.faults]


def _figures(name: str, runs: Sequence[Run], tails: Rounds) -> Sequence[str]:
    if not runs:
        return (name, "INVALID", *[""] * (len(FIGURES) - 2))
    shown = [run.figures for run in runs]
    pair = against(tails, name, OURS)
    missed, errors = sum(each.missed for each in shown), sum(each.faults for each in shown)
    late = ">" if missed > 0.05 * sum(each.requests for each in shown) else ""  # the p95 is one that still waited
    return (
        name,
        f"{_median(each.ttft_p50 for each in shown):.3f}",
        f"{late}{_median(each.ttft_p95 for each in shown):.3f}",
        "" if pair is None or name == OURS else str(pair),
        f"{_median(each.e2e_p50 for each in shown):.2f}",
        f"{_median(each.hit_rate for each in shown):.1%}",
        str(sum(each.requests for each in shown)),
        str(missed),
        str(errors),
    )


def _trust(name: str, runs: Sequence[Run]) -> Sequence[str]:
    """The worst of the rounds; CPU is a mean, in cores; `own` is what the router adds to a first token."""
    seen = [run.validity for run in runs]
    why = "; ".join(dict.fromkeys(fault for each in seen for fault in each.faults))
    return (
        name,
        f"{max(each.lag_p99 for each in seen) * 1e3:.1f} ms",
        f"{max(each.probe_p99 for each in seen) * 1e3:.1f} ms",
        f"{max(each.late for each in seen):.2f} s",
        f"{max(each.busy for each in seen):.0%}",
        f"{statistics.mean(each.generator for each in seen):.2f}",
        f"{statistics.mean(each.router for each in seen):.2f}",
        f"{statistics.mean(each.engines for each in seen):.2f}",
        f"{_median(run.own for run in runs) * 1e3:.1f} ms",
        f"{len(runs) - len(valid(runs))} of {len(runs)}" + (f": {why}" if why else ""),
    )


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = ["| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) + " |" for row in table]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
