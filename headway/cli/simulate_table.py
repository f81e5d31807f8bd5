"""What a simulation found, on the terminal: latencies first, then what became of the requests, then what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from headway.bench.readable import count, each_second, percent, seconds, span
from headway.cli.bench_table import columns_lines, phrases_lines
from headway.sim.outcome import Group, Latency, Outcome, Replicas

if TYPE_CHECKING:
    from headway.cli.simulate_run import Case

__all__ = ["comparison_lines", "comparison_rows", "outcome_lines"]

_HEADS = ("mean", "p50", "p90", "p95", "p99")
_ROWS = (("TTFT", "ttft"), ("TPOT", "tpot"), ("ITL", "itl"), ("E2E", "e2e"), ("held back", "queue"))


def outcome_lines(outcome: Outcome, columns: int) -> Iterator[str]:
    whole = outcome.whole
    for each in outcome.replicas:
        yield from phrases_lines(each.model, _served(each), columns)
        if each.constants:
            yield from phrases_lines("constants", [each.constants], columns)
    yield _came(outcome)
    yield ""
    rows = [(name, *_cells(getattr(whole, field))) for name, field in _ROWS if getattr(whole, field).most]
    yield from columns_lines("", _HEADS, rows, columns)
    yield ""
    yield from phrases_lines("requests", _ended(whole), columns)
    yield from phrases_lines("inside the SLO", _inside(whole, outcome.replicas), columns)
    yield from phrases_lines("tokens", _tokens(whole, outcome.seconds), columns)
    for each in outcome.replicas:
        label = "replicas" if len(outcome.replicas) == 1 else f"replicas of {each.model}"
        yield from phrases_lines(label, _replicas(each), columns)
    if outcome.cost is not None:
        million = whole.prompt_tokens + whole.output_tokens
        each_million = f"{outcome.cost / million * 1e6:.2f} a million tokens" if million else ""
        yield from phrases_lines("cost", [f"{outcome.cost:,.2f} USD", *filter(None, [each_million])], columns)
    for name, groups in (("model", outcome.models), ("tenant", outcome.tenants)):
        if len(groups) > 1:
            yield ""
            yield from columns_lines(name, _GROUP_HEADS, [_group(each) for each in groups], columns)


def _came(outcome: Outcome) -> str:
    """How many and how fast; and when the last answer ended, where that is much later than the last one came."""
    came = max((each.at + each.seconds for each in outcome.timeline if each.came > 0), default=outcome.seconds)
    whole, last = outcome.whole.requests, min(came, outcome.seconds)
    late = f", the last answer after {span(outcome.seconds)}" if outcome.seconds > _LATE * last else ""
    rate = each_second(whole / last if last else 0.0)
    return f"{count(whole)} requests in {span(last)} ({rate}){late}, seed {outcome.seed}"


_LATE = 1.1
"""Times the traffic's length: below it the run ended with the traffic, as far as a reader cares."""


def comparison_lines(cases: Sequence[Case], columns: int) -> Iterator[str]:
    """A column for each; what is best of a row is not marked: that is the reader's to say."""
    first = cases[0].outcome
    yield f"{count(first.whole.requests)} requests in {span(first.seconds)}, seed {first.seed}; the same for each"
    yield ""
    yield from columns_lines("", [each.name for each in cases], comparison_rows(cases), columns)


def comparison_rows(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    return [(name, *(tell(each.outcome) for each in cases)) for name, tell in _COMPARED]


_COMPARED: tuple[tuple[str, Callable[[Outcome], str]], ...] = (
    ("TTFT p50", lambda of: seconds(of.whole.ttft.p50)),
    ("TTFT p95", lambda of: seconds(of.whole.ttft.p95)),
    ("TTFT p99", lambda of: seconds(of.whole.ttft.p99)),
    ("TPOT p50", lambda of: seconds(of.whole.tpot.p50)),
    ("TPOT p95", lambda of: seconds(of.whole.tpot.p95)),
    ("E2E p50", lambda of: seconds(of.whole.e2e.p50)),
    ("E2E p95", lambda of: seconds(of.whole.e2e.p95)),
    ("finished", lambda of: count(of.whole.ended["finished"] + of.whole.ended["left"])),
    ("inside the SLO", lambda of: percent(of.whole.attainment)),
    ("goodput", lambda of: each_second(of.whole.goodput)),
    ("found cached", lambda of: percent(of.whole.hits)),
    ("preempted", lambda of: count(sum(each.preempted for each in of.replicas))),
    ("replica-hours", lambda of: f"{of.hours:,.2f}"),
    ("most replicas", lambda of: count(sum(each.most for each in of.replicas))),
    ("starts", lambda of: count(sum(each.starts for each in of.replicas))),
    ("cost (USD)", lambda of: "-" if of.cost is None else f"{of.cost:,.2f}"),
)
_GROUP_HEADS = ("requests", "TTFT p50", "TTFT p95", "TPOT p50", "E2E p50", "inside", "cached")


def _cells(of: Latency) -> tuple[str, ...]:
    return tuple(seconds(getattr(of, each)) for each in _HEADS)


def _group(of: Group) -> tuple[str, ...]:
    name = of.tenant if of.tenant else of.model or "no Model"
    return (
        name,
        count(of.requests),
        seconds(of.ttft.p50),
        seconds(of.ttft.p95),
        seconds(of.tpot.p50),
        seconds(of.e2e.p50),
        percent(of.attainment),
        percent(of.hits),
    )


def _served(of: Replicas) -> list[str]:
    return [each for each in (of.hardware, f"routing {of.policy}", f"scaler {of.scaler}") if each]


def _ended(of: Group) -> list[str]:
    told = [f"{count(number)} {kind}" for kind, number in of.ended.items() if number]
    return [*told, *([f"{count(of.retries)} tried again"] if of.retries else [])]


def _inside(of: Group, replicas: Sequence[Replicas]) -> list[str]:
    limits = sorted(
        {
            f"{name} {seconds(limit)}"
            for each in replicas
            for name, limit in (("TTFT", each.slo_ttft), ("TPOT", each.slo_itl))
            if limit is not None
        },
        reverse=True,
    )
    if not limits:
        return ["no SLO is asked for: --slo ttft=500ms,itl=50ms"]
    return [f"{percent(of.attainment)} ({', '.join(limits)})", f"goodput {each_second(of.goodput)}"]


def _tokens(of: Group, lasted: float) -> list[str]:
    rate = of.output_tokens / lasted if lasted else 0.0
    return [
        f"{count(of.prompt_tokens)} of prompts",
        f"{percent(of.hits)} found cached",
        f"{count(of.output_tokens)} of answers ({count(rate)}/s)",
    ]


def _replicas(of: Replicas) -> list[str]:
    told = [f"{of.hours:,.2f} replica-hours", f"at most {of.most} at once"]
    if of.starts:
        told.append(f"{of.starts} started ({seconds(of.cold_start)} each), {of.wasted} given up before they were ready")
    if of.deaths:
        told.append(f"{of.deaths} died or were taken away")
    if of.preempted:
        told.append(f"{count(of.preempted)} requests preempted for want of KV blocks")
    return told
