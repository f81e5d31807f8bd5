"""How a simulation went, as one HTML file: the plots of `headway bench`'s report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import headway
from headway.bench.readable import count, span, tick_rate, tick_seconds
from headway.bench.report import page as report
from headway.bench.report.plot import Mark, Plot, Series, Tone, draw
from headway.bench.report.scale import Scale, around, clock
from headway.bench.report.tables import plain_table
from headway.cli.simulate_table import comparison_rows
from headway.sim.outcome import Moment, Outcome

if TYPE_CHECKING:
    from headway.cli.simulate_run import Case

__all__ = ["page"]

_Line = tuple[str, Callable[[Moment], float | None], Tone]
_RATES: tuple[_Line, ...] = (
    ("came", lambda each: each.came, "muted"),
    ("answered", lambda each: each.answered, "accent"),
    ("inside the SLO", lambda each: each.good, "good"),
    ("not answered", lambda each: each.failed, "bad"),
)
_OPEN: tuple[_Line, ...] = (
    ("at engines", lambda each: each.running, "accent"),
    ("waiting", lambda each: each.waiting, "warn"),
)
_REPLICAS: tuple[_Line, ...] = (
    ("ready", lambda each: each.ready, "good"),
    ("starting", lambda each: each.starting, "warn"),
)
_FIRST: tuple[_Line, ...] = (
    ("TTFT p50", lambda each: each.ttft_p50, "accent"),
    ("TTFT p95", lambda each: each.ttft_p95, "warn"),
)


def page(cases: Sequence[Case]) -> str:
    """Of one fleet, or of several one after the other."""
    body = [plain_table(["", *(each.name for each in cases)], comparison_rows(cases))]
    for each in cases:
        plots = "".join(draw(plot) for plot in _plots(each.outcome))
        body.append(f'<h2>{escape(each.name)}</h2><div class="plots one">{plots}</div>')
    first = cases[0].outcome
    about = f"{count(first.whole.requests)} requests · {span(first.seconds)} · seed {first.seed}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{report.POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>headway simulate</title><style>{Path(report.STYLE).read_text()}</style></head><body>"
        f'<header><h1>headway simulate</h1><p class="muted">{escape(about)}</p></header>'
        f"<main>{''.join(body)}</main><footer>headway {escape(headway.__version__)}; simulated, not measured.</footer>"
        "</body></html>\n"
    )


def _plots(outcome: Outcome) -> list[Plot]:
    x = clock(outcome.seconds)
    limits = sorted({each.slo_ttft for each in outcome.replicas if each.slo_ttft is not None})
    marks = [Mark(f"SLO {tick_seconds(each)}", each, "y") for each in limits[:2]]
    return [
        _plot("Requests a second", x, outcome, _RATES, tick_rate),
        _plot("Time to first token", x, outcome, _FIRST, tick_seconds, log=True, marks=marks),
        _plot("Requests at once", x, outcome, _OPEN, count),
        _plot("Replicas", x, outcome, _REPLICAS, count, steps=True),
    ]


def _plot(
    title: str,
    x: Scale,
    outcome: Outcome,
    lines: Sequence[_Line],
    told: Callable[[float], str],
    *,
    log: bool = False,
    steps: bool = False,
    marks: Sequence[Mark] = (),
) -> Plot:
    series = [
        Series(name, [(each.at, _or_nan(value(each))) for each in outcome.timeline], tone, "steps" if steps else "line")
        for name, value, tone in lines
    ]
    seen = [y for each in series for _, y in each.points if y == y and (y > 0 or not log)]  # noqa: PLR0124 (nan)
    return Plot(title, x, around([*seen, *(mark.at for mark in marks)], told, log=log), series, marks=marks)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value
