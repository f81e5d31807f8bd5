"""The report: one HTML file for a run, a search or a curve. It asks for nothing: its policy forbids all that it does
not hold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from headway.bench.curve import Point
from headway.bench.find import Stage
from headway.bench.readable import count, each_second, percent, span, tick_percent, tick_rate, tick_seconds
from headway.bench.report.plot import Band, Mark, Plot, Series, Tone, draw
from headway.bench.report.scale import around, linear
from headway.bench.report.shares import share_plots
from headway.bench.report.tables import findings, formulas, latency_table, part_table, plain_table, tiles, words
from headway.bench.report.timeline import timeline
from headway.bench.schema import Summary, Verdict
from headway.bench.search import Found
from headway.bench.telling import POINT, limits, parts, point_cells
from headway.bench.trial import Trial

__all__ = ["curve_page", "page", "search_page"]

STYLE = Path(__file__).parent / "style.css"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
LATE: tuple[tuple[str, str, Tone], ...] = (
    ("TTFT p50", "ttft_p50", "accent"),
    ("TTFT p99", "ttft_p99", "warn"),
    ("E2E p50", "e2e_p50", "good"),
)
"""Curves of a curve: their names and which of a Point's figures they draw."""
TONES = {"VALID": "good", "OVERLOADED": "warn", "FAILED": "bad", "INVALID": "bad"}


def page(trial: Trial) -> str:
    """Of one run."""
    return _whole(trial.summary, "", _run(trial))


def search_page(found: Found, stages: Sequence[Stage], share: float) -> str:
    """The answer, its stages, and the stage nearest to it in full."""
    nearest = min(stages, key=lambda each: abs(each.seen.rate - found.rate))
    wanted = " and ".join(filter(None, map(limits, nearest.trial.summary.slo)))
    head = _box(
        "good" if found.rate else "bad",
        each_second(found.rate) if found.rate else "No rate",
        f"is the highest rate with {percent(share)} inside {wanted}"
        if found.rate
        else f"has {percent(share)} inside {wanted}",
        f"95 %: {each_second(found.low)} to {each_second(found.high) if found.high < float('inf') else 'no end seen'}; "
        f"{found.stages} stages, {span(found.seconds)} of load; {found.why}",
    )
    rows = [
        [
            each_second(each.seen.rate),
            percent(each.seen.share),
            count(len(each.seen.hits)),
            span(each.seen.seconds),
            each_second(each.seen.answered),
            "OVERLOADED" if each.seen.overloaded else each.trial.summary.verdict.word,
        ]
        for each in stages
    ]
    plots = [_search_plot(found, stages, share)]
    body = [
        head,
        f'<div class="plots one">{"".join(map(draw, plots))}</div>',
        "<h2>Stages</h2>",
        plain_table(["rate", "inside", "requests", "for", "answered", "verdict"], rows),
        f"<h2>The stage at {each_second(nearest.seen.rate)}</h2>",
        _run(nearest.trial),
    ]
    return _whole(nearest.trial.summary, "the highest rate", "".join(body))


def curve_page(found: Sequence[tuple[Point, Trial]]) -> str:
    """The curve, its points, and the last point that the server kept up with in full."""
    ordered = sorted(found, key=lambda each: each[0].rate)
    best = next((trial for each, trial in reversed(ordered) if each.kept_up), ordered[0][1])
    rows = [[*point_cells(each), each.verdict] for each, _ in ordered]
    body = [
        f'<div class="plots">{"".join(map(draw, _curve_plots([each for each, _ in ordered])))}</div>',
        "<h2>Points</h2>",
        plain_table([*POINT, "verdict"], rows),
        f"<h2>At {each_second(best.summary.whole.rate.realised)}</h2>",
        _run(best),
    ]
    return _whole(best.summary, "throughput and latency", "".join(body))


def _run(trial: Trial) -> str:
    summary = trial.summary
    body = [_verdict(summary.verdict), tiles(summary), "<h2>Latencies</h2>", latency_table(summary.whole, summary.slo)]
    curves = "".join(map(draw, share_plots(trial.counted, summary.slo)))
    body.append(f'<h2>How many were no slower</h2><div class="plots">{curves}</div>')
    lines = timeline(trial.records, trial.facts, summary.windows, summary.slo)
    body.append(f'<h2>As it went</h2><div class="plots one">{"".join(map(draw, lines))}</div>')
    for name, found in parts(summary):
        body += [f"<h2>By {name}</h2>", part_table(name, found)]
    body += ["<h2>In words</h2>", words(summary)]
    if summary.server:
        body += ["<h2>The server's own counters</h2>", findings(summary.server)]
    body += ["<h2>How each figure is computed</h2>", formulas(summary.formulas)]
    return "".join(body)


def _whole(summary: Summary, kind: str, body: str) -> str:
    title = "headway bench: " + ", ".join(filter(None, [summary.workload, kind]))
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(summary.started_at))
    slo = "; ".join(filter(None, map(limits, summary.slo)))
    about = [f"{summary.target}", f"seed {summary.seed}", when, f"SLO {slo}" if slo else "no SLO"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text()}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="muted">{escape(" · ".join(about))}</p></header>'
        f"<main>{body}</main>"
        f"<footer>headway {escape(summary.headway)}; summary.json beside this page has every figure, "
        "records.* every request.</footer>"
        "</body></html>\n"
    )


def _verdict(verdict: Verdict) -> str:
    first, *others = [reason.text for reason in verdict.reasons] or ["the figures stand"]
    return _box(TONES[verdict.word], verdict.word, first, *others, *verdict.cautions)


def _box(tone: str, word: str, told: str, *others: str) -> str:
    more = "".join(f"<p>{escape(each)}</p>" for each in others)
    return f'<div class="verdict {tone}"><b>{escape(word)}</b> <span>{escape(told)}</span>{more}</div>'


def _search_plot(found: Found, stages: Sequence[Stage], share: float) -> Plot:
    inside = [(each.seen.rate, 0.0 if each.seen.overloaded else each.seen.share) for each in stages]
    marks = [Mark(percent(share), share, "y", "muted")]
    if found.rate:
        marks.append(Mark(each_second(found.rate), found.rate, "x", "good"))
    x = around([rate for rate, _ in inside], tick_rate, log=True)
    bands = [Band(found.low, min(found.high, x.high), "")] if found.rate else []
    return Plot(
        "Inside the SLO at each rate",
        x,
        linear(0.0, 1.0, tick_percent),
        [Series("a stage", sorted(inside), "accent", "points")],
        bands=bands,
        marks=marks,
        note="shaded: where the answer lies (95 %); an overloaded stage stands at 0 %, as what waits grew and grew",
    )


def _curve_plots(points: Sequence[Point]) -> list[Plot]:
    nan = float("nan")
    x = around([each.rate for each in points], tick_rate)
    late = [
        Series(name, [(each.rate, nan if (value := getattr(each, field)) is None else value) for each in points], tone)
        for name, field, tone in LATE
    ]
    times = [y for series in late for _, y in series.points if y == y]  # noqa: PLR0124 (nan)
    answered = [(each.rate, each.answered) for each in points]
    asked = [(each.rate, each.rate) for each in points]
    return [
        Plot("Latency by rate", x, around(times, tick_seconds, log=True), late, tall=True),
        Plot(
            "Answered by rate",
            x,
            around([y for _, y in [*answered, *asked]], tick_rate),
            [Series("answered", answered, "good"), Series("sent", asked, "muted", dashed=True)],
            tall=True,
        ),
    ]
