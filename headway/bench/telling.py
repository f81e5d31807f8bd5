"""A Summary in words and cells: what the terminal's table and the report both say, so that they say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headway.bench.curve import Point
from headway.bench.readable import count, each_second, percent, seconds
from headway.bench.schema import Distribution, Figures, Goodput, Interval, Part, Slo, Summary

__all__ = [
    "NAMELESS",
    "PERCENTILES",
    "POINT",
    "Latency",
    "cell",
    "facts",
    "latencies",
    "limits",
    "parts",
    "point_cells",
    "share_inside",
]

ROWS: tuple[tuple[str, str, str], ...] = (
    ("ttft_sched", "TTFT from due", "to the first token, from when the request was due: what its user waits"),
    ("ttft_send", "TTFT from sent", "to the first token, from when it was sent"),
    ("tpot", "TPOT", "for each token after the first, one value a request"),
    ("itl", "ITL", "between two tokens, of all requests together"),
    ("ntpot", "NTPOT", "the whole time by all its tokens, one value a request"),
    ("e2e_sched", "E2E from due", "to the end of the answer, from when the request was due"),
    ("e2e_send", "E2E from sent", "to the end of the answer, from when it was sent"),
)
LIMIT_OF = {"ttft_sched": "ttft", "tpot": "tpot", "itl": "itl", "e2e_sched": "e2e"}
"""Which limit is meant of which measure."""
PERCENTILES = ("p50", "p90", "p99", "max")
POINT = ("rate", "answered", "output", "TTFT p50", "TTFT p99", "ITL p50", "E2E p50", "inside")
"""What `point_cells` are."""
NAMELESS = "(none)"
"""Of a part: the requests without a tenant, without an adapter."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A row of the table of latencies. `inside` is empty where no limit is meant of it."""

    name: str
    about: str
    measure: str
    of: Distribution
    inside: str = ""


def latencies(figures: Figures, slos: list[Slo]) -> list[Latency]:
    """Of what at least one request has."""
    rows = []
    for measure, name, about in ROWS:
        of: Distribution = getattr(figures.latency, measure)
        if of.count or of.beyond:
            rows.append(Latency(name, about, measure, of, _inside(figures.goodput, measure, slos)))
    return rows


def cell(of: Distribution, percentile: str) -> str:
    """`~` before one that leans on the very last sample; `failed` where so many failed that the percentile is one of
    them."""
    value: float | None = getattr(of, percentile)
    if value is None:
        return "failed" if of.beyond else "-"
    return f"{'~' if percentile in of.thin else ''}{seconds(value)}"


def facts(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    """What stands below the latencies: a word, and what is told of it in phrases that do not break."""
    whole = summary.whole
    yield "rate", list(_rate(whole))
    if whole.goodput is not None:
        yield "goodput", list(_goodput(whole.goodput))
    yield "tokens", list(_tokens(whole))
    yield "requests", list(_requests(whole))
    yield "generator", list(_generator(summary))


def parts(summary: Summary) -> list[tuple[str, list[Part]]]:
    """What the run divides into, where it does."""
    named = (
        ("stage", summary.stages),
        ("model", summary.models),
        ("tenant", summary.tenants),
        ("adapter", summary.adapters),
        ("operation", summary.operations),
    )
    return [(name, found) for name, found in named if found]


def share_inside(figures: Figures) -> str:
    return percent(figures.goodput.inside.share) if figures.goodput is not None else "-"


def limits(slo: Slo) -> str:
    """ttft 200 ms, itl 50 ms"""
    found = [(name, getattr(slo, name)) for name in ("ttft", "itl", "tpot", "e2e")]
    return ", ".join(f"{name} {seconds(value)}" for name, value in found if value is not None)


def _inside(goodput: Goodput | None, measure: str, slos: list[Slo]) -> str:
    """98 % (ttft 200 ms)"""
    name = LIMIT_OF.get(measure, "")
    if goodput is None or name not in goodput.each:
        return ""
    given = {getattr(slo, name) for slo in slos} - {None}
    limit = f" {seconds(given.pop())}" if len(given) == 1 else " limits"
    return f"{percent(goodput.each[name].share)} ({name}{limit})"


def _rate(whole: Figures) -> Iterator[str]:
    rate = whole.rate
    if rate.asked is not None:
        yield f"asked {each_second(rate.asked)}"
    yield f"realised {each_second(rate.realised)}{_between(rate.realised_interval, each_second)}"
    yield f"answered {each_second(rate.answered)}"
    yield f"{rate.in_flight:,.1f} in flight"


def _goodput(goodput: Goodput) -> Iterator[str]:
    inside = goodput.inside
    yield f"{each_second(goodput.rate)} inside the SLO"
    yield f"{percent(inside.share)} of the requests{_between(inside.interval, percent)}"


def _tokens(whole: Figures) -> Iterator[str]:
    tokens = whole.tokens
    yield f"output {count(tokens.output_rate)}/s"
    yield f"input {count(tokens.input_rate)}/s"
    if tokens.cached_share is not None:
        yield f"{percent(tokens.cached_share)} of the input from the prefix cache"
    if tokens.shorter or tokens.longer:
        yield f"{count(tokens.shorter)} answers shorter and {count(tokens.longer)} longer than asked"
    if tokens.without_usage:
        yield f"{count(tokens.without_usage)} answers told no usage"


def _requests(whole: Figures) -> Iterator[str]:
    requests = whole.requests
    yield f"{count(requests.due)} due"
    yield f"{count(requests.sent)} sent"
    yield f"{count(requests.answered)} answered"
    why = ", ".join(f"{what}: {count(many)}" for what, many in requests.failures.items())
    yield f"{count(requests.failed)} failed" + (f" ({why})" if why else "")
    if requests.cancelled:
        yield f"{count(requests.cancelled)} cancelled by the workload"


def _generator(summary: Summary) -> Iterator[str]:
    of = summary.generator
    yield f"send lag p99 {seconds(of.send_lag.p99)}"
    yield f"{of.cpu_share:.0%} of a core".replace("%", " %")
    yield f"loop delay p99 {seconds(of.loop_delay_p99)}"


def _between(interval: Interval, told: Callable[[float], str]) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" (95 %: {told(interval.low)} to {told(interval.high)})"


def point_cells(point: Point) -> list[str]:
    """A row of a curve's table, without its verdict."""
    return [
        each_second(point.rate),
        each_second(point.answered),
        f"{count(point.output_tokens)}/s",
        seconds(point.ttft_p50),
        seconds(point.ttft_p99),
        seconds(point.itl_p50),
        seconds(point.e2e_p50),
        percent(point.inside),
    ]
