"""What happened when: rates, what waited, and how long the first token took, on one axis of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from headway.bench.facts import RunFacts
from headway.bench.readable import count, seconds, span, tick_rate, tick_seconds
from headway.bench.record import Record
from headway.bench.report.plot import Band, Mark, Plot, Series
from headway.bench.report.scale import Scale, around, clock
from headway.bench.schema import Slo, Window

__all__ = ["timeline"]

BINS = 120
"""Of the whole time, about: one is at least a tenth of a second wide."""
WIDTHS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
MOST_DOTS = 2500
RUNNING = (
    "vllm:num_requests_running",
    "sglang:num_running_reqs",
    "llamacpp:requests_processing",
    "headway_requests_running",
)
WAITING = (
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "llamacpp:requests_deferred",
    "headway_requests_waiting",
)
"""Where engines say it, by their own names."""


def timeline(
    records: Sequence[Record], facts: RunFacts, windows: Sequence[Window], limits: Sequence[Slo]
) -> list[Plot]:
    end = max(facts.ended, *(stage.end for stage in facts.stages), 0.1) if facts.stages else max(facts.ended, 0.1)
    x = clock(end)
    bands = _bands(facts, windows, end)
    return [
        each
        for each in (_rates(records, x, bands), _open(records, facts, x, bands), _firsts(records, x, bands, limits))
        if each
    ]


def _bands(facts: RunFacts, windows: Sequence[Window], end: float) -> list[Band]:
    bands = [Band(each.begun, each.start, "warm-up") for each in windows if each.start - each.begun > end / 400]
    last = max((stage.end for stage in facts.stages), default=end)
    last = min(last, facts.stopped) if facts.stopped is not None else last
    return [*bands, Band(last, end, "drain")] if end - last > end / 400 else bands


def _rates(records: Sequence[Record], x: Scale, bands: list[Band]) -> Plot:
    width = next((each for each in WIDTHS if x.high / each <= BINS), WIDTHS[-1])
    due = _binned((each.due for each in records), width, x.high)
    sent = _binned((each.sent for each in records), width, x.high)
    answered = _binned((each.ended for each in records if not each.error), width, x.high)
    failed = _binned(
        (each.ended for each in records if each.error not in ("", "cancelled", "interrupted")), width, x.high
    )
    series = [
        Series("due", due, "muted", "steps", dashed=True),
        Series("sent", sent, "accent", "steps"),
        Series("answered", answered, "good", "steps"),
    ]
    if any(y for _, y in failed):
        series.append(Series("failed", failed, "bad", "steps"))
    return Plot(
        "Requests a second", x, around((y for each in series for _, y in each.points), tick_rate), series, bands=bands,
        note=f"counted in steps of {span(width)}",
    )  # fmt: skip


def _binned(moments: Iterable[float | None], width: float, end: float) -> list[tuple[float, float]]:
    """(begin of the bin, a second), and the end of the last."""
    bins = [0] * max(1, math.ceil(end / width))
    for moment in moments:
        if moment is not None and math.isfinite(moment):
            bins[min(len(bins) - 1, max(0, int(moment / width)))] += 1
    return [*((index * width, many / width) for index, many in enumerate(bins)), (end, bins[-1] / width)]


def _open(records: Sequence[Record], facts: RunFacts, x: Scale, bands: list[Band]) -> Plot:
    """What was due and had not ended, and what the server says of itself."""
    series = [Series("due and not ended", _level(records, x.high), "accent")]
    for name, names, tone in (("running at the server", RUNNING, "good"), ("waiting at the server", WAITING, "warn")):
        key = next((each for each in names if any(each in sample.values for sample in facts.server)), None)
        if key is not None:
            points = [
                (sample.at, sample.values.get(key, math.nan)) for sample in facts.server if 0 <= sample.at <= x.high
            ]
            series.append(Series(name, points, "good" if tone == "good" else "warn", "steps"))
    return Plot(
        "Requests at once", x, around((y for each in series for _, y in each.points), count), series, bands=bands
    )


def _level(records: Sequence[Record], end: float) -> list[tuple[float, float]]:
    """How many at each of a few hundred moments."""
    changes = sorted(
        [(each.due, 1) for each in records] + [(each.ended, -1) for each in records if each.ended is not None]
    )
    points, level, at = [], 0, 0
    for index in range(401):
        moment = end * index / 400
        while at < len(changes) and changes[at][0] <= moment:
            level += changes[at][1]
            at += 1
        points.append((moment, float(level)))
    return points


def _firsts(records: Sequence[Record], x: Scale, bands: list[Band], limits: Sequence[Slo]) -> Plot | None:
    """A dot for each request, at the moment when it was due; of very many, the slowest of each neighbourhood."""
    dots = [(each.due, each.first - each.due) for each in records if each.first is not None]
    name = "Time to first token, from due"
    if not dots:
        dots = [(each.due, each.ended - each.due) for each in records if each.ended is not None and not each.error]
        name = "Whole answer, from due"
    dots = sorted((at, value) for at, value in dots if value > 0)
    if not dots:
        return None
    step = math.ceil(len(dots) / MOST_DOTS)
    shown = [max(dots[i : i + step], key=lambda dot: dot[1]) for i in range(0, len(dots), step)]
    allowed = sorted({slo.ttft for slo in limits if slo.ttft is not None})
    y = around([*(value for _, value in shown), *allowed], tick_seconds, log=True)
    marks = [Mark(f"SLO {seconds(each)}", each, "y") for each in allowed[:2]]
    note = "" if step == 1 else f"a dot for the slowest of each {step}"
    return Plot(
        name,
        x,
        y,
        [Series("", shown, "accent", "dots", told=f"{len(dots):,} requests")],
        bands=bands,
        marks=marks,
        note=note,
    )
