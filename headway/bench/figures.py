"""The figures of one set of requests: counts, rates, tokens, latencies, goodput.

Two ways of counting, and each figure has its own: latencies and limits are of the requests that were *due* in the
window, whenever they ended, so that nobody drops out by being slow. Rates of answers and tokens are of what *came* in
the window, whenever it was due, so that answers that came after the last arrival do not make a server look fast.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.bench.arrays import Bools, Floats
from headway.bench.gaps import SIZED, Gaps, sized_by
from headway.bench.intervals import of_percentile, of_rate, of_share
from headway.bench.measures import Measured, failure
from headway.bench.percentile import PERCENTS, enough, rank, weighted
from headway.bench.schema import (
    Attainment,
    Distribution,
    Figures,
    Goodput,
    Interval,
    Latencies,
    Rate,
    Requests,
    Tokens,
    Window,
)
from headway.bench.slo import Kept

__all__ = ["Chosen", "distribution", "figures", "overlap", "share_within"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests figures are of: a `group` (all of them, or one model's), and `due`, those of it that the windows
    count. `asked` and `cv`: the rate asked for and its arrivals' law, where there is one."""

    group: Bools
    due: Bools
    windows: Sequence[Window]
    asked: float | None = None
    cv: float | None = None

    @property
    def seconds(self) -> float:
        return sum(window.end - window.start for window in self.windows)


def figures(of: Measured, chosen: Chosen, kept: Kept | None) -> Figures:
    return Figures(
        seconds=chosen.seconds,
        requests=_requests(of, chosen.due),
        rate=_rate(of, chosen),
        tokens=_tokens(of, chosen),
        latency=_latencies(of, chosen.due),
        goodput=None if kept is None else _goodput(of, chosen, kept),
    )


def distribution(row: Floats) -> Distribution:
    """Of one value a request, in the order of time; nan: it has none, inf: it failed."""
    row = row[~np.isnan(row)]
    if not len(row):
        return Distribution(0, 0)
    known, ordered = row[np.isfinite(row)], np.sort(row)
    values = [float(ordered[rank(len(row), percent) - 1]) for percent in PERCENTS]
    bounds = (of_percentile(row, ordered, *each) for each in zip(PERCENTS, values, strict=True))
    p50, p75, p90, p95, p99 = (value if math.isfinite(value) else None for value in values)
    return Distribution(
        count=len(known),
        beyond=len(row) - len(known),
        mean=float(known.mean()) if len(known) else None,
        p50=p50,
        p75=p75,
        p90=p90,
        p95=p95,
        p99=p99,
        max=float(known.max()) if len(known) else None,
        intervals={f"p{percent}": each for percent, each in zip(PERCENTS, bounds, strict=True)},
        thin=_thin(len(row)),
    )


def _requests(of: Measured, due: Bools) -> Requests:
    failed = [of.records[place] for place in np.flatnonzero(due & of.failed).tolist()]
    counts = Counter(map(failure, failed))
    return Requests(
        due=int(due.sum()),
        sent=int((due & ~np.isnan(of.sent)).sum()),
        answered=int((due & of.answered).sum()),
        failed=len(failed),
        cancelled=int((due & of.cancelled).sum()),
        unsent=counts["unsent"],
        failures=dict(sorted(counts.items(), key=lambda each: (-each[1], each[0]))),
    )


def _rate(of: Measured, chosen: Chosen) -> Rate:
    group, seconds, count = chosen.group, chosen.seconds, int(chosen.due.sum())
    came = group & (of.answered | of.cancelled)
    answered = sum(int((came & (of.ended >= each.start) & (of.ended < each.end)).sum()) for each in chosen.windows)
    inside = sum(float(overlap(of.due[group], of.ended[group], each).sum()) for each in chosen.windows)
    return Rate(
        asked=chosen.asked,
        realised=_per(count, seconds),
        realised_interval=of_rate(count, seconds, chosen.cv),
        answered=_per(answered, seconds),
        answered_interval=of_rate(answered, seconds),
        in_flight=_per(inside, seconds),
    )


def _tokens(of: Measured, chosen: Chosen) -> Tokens:
    seconds, answered = chosen.seconds, chosen.due & of.answered
    text = answered & np.fromiter((each.operation != "embedding" for each in of.records), np.bool_, len(of))
    silent = answered & (np.isnan(of.input_tokens) | (text & np.isnan(of.output_tokens)))
    told = answered & ~np.isnan(of.cached_tokens) & ~np.isnan(of.input_tokens)
    cached, behind = _sum(of.cached_tokens[told]), _sum(of.input_tokens[told])
    wanted = np.fromiter((each.wanted_tokens for each in of.records), np.float64, len(of))
    counts = Counter(sized_by(each) for place in np.flatnonzero(text).tolist() if (each := of.records[place]).stream)
    read, written = 0.0, 0.0
    whole = chosen.group & of.answered
    for window in chosen.windows:
        read += _sum(of.input_tokens[whole & (of.first >= window.start) & (of.first < window.end)])
        spread = share_within(of.first[whole], of.ended[whole], window.start, window.end)
        written += _sum(of.output_tokens[whole] * spread)
    return Tokens(
        input=int(_sum(of.input_tokens[answered])),
        output=int(_sum(of.output_tokens[answered])),
        cached=int(cached),
        cached_share=cached / behind if behind else None,
        input_rate=_per(read, seconds),
        output_rate=_per(written, seconds),
        without_usage=int(silent.sum()),
        shorter=int((text & (wanted > 0) & (of.output_tokens < wanted)).sum()),
        longer=int((text & (wanted > 0) & (of.output_tokens > wanted)).sum()),
        sized={way: counts[way] for way in SIZED if counts[way]},
    )


def _latencies(of: Measured, due: Bools) -> Latencies:
    return Latencies(
        ttft_sched=distribution(of.ttft_sched[due]),
        ttft_send=distribution(of.ttft_send[due]),
        tpot=distribution(of.tpot[due]),
        itl=_between(of.gaps, due),
        ntpot=distribution(of.ntpot[due]),
        e2e_sched=distribution(of.e2e_sched[due]),
        e2e_send=distribution(of.e2e_send[due]),
        connect=distribution(of.connect[due]),
    )


def _between(gaps: Gaps, due: Bools) -> Distribution:
    """Without intervals: the gaps of one answer are far from independent."""
    chosen = due[gaps.owner]
    whole = bool(chosen.all())
    seconds, tokens = (gaps.seconds, gaps.tokens) if whole else (gaps.seconds[chosen], gaps.tokens[chosen])
    count = int(tokens.sum())
    if not count:
        return Distribution(0, 0)
    p50, p75, p90, p95, p99 = weighted(seconds, tokens)
    mean, longest = float((seconds * tokens).sum() / count), float(seconds.max())
    return Distribution(count, 0, mean, p50, p75, p90, p95, p99, longest, thin=_thin(count))


def _thin(count: int) -> list[str]:
    return [f"p{percent}" for percent in PERCENTS if not enough(count, percent)]


def _goodput(of: Measured, chosen: Chosen, kept: Kept) -> Goodput:
    due, seconds = chosen.due, chosen.seconds
    inside = due & kept.inside
    return Goodput(
        rate=_per(int(inside.sum()), seconds),
        output_rate=_per(_sum(of.output_tokens[inside]), seconds),
        inside=_attained(kept.inside[due & kept.asked]),
        each={name: _attained(kept.keeps[name][due & has]) for name, has in kept.applies.items()},
    )


def _attained(hit: Bools) -> Attainment:
    if not len(hit):
        return Attainment(0, 0, None, Interval(None, None))
    return Attainment(int(hit.sum()), len(hit), float(hit.mean()), of_share(hit))


def overlap(begun: Floats, ended: Floats, window: Window) -> Floats:
    """Seconds of each stretch that lie in the window."""
    seconds: Floats = np.maximum(np.minimum(ended, window.end) - np.maximum(begun, window.start), 0.0)
    return seconds


def share_within(begun: Floats, ended: Floats, start: float, end: float) -> Floats:
    """The part of each stretch that lies between two moments; one without length is there or is not."""
    length = ended - begun
    inside = np.maximum(np.minimum(ended, end) - np.maximum(begun, start), 0.0)
    at_once = (begun >= start) & (begun < end)
    return np.where(length > 0, inside / np.where(length > 0, length, 1.0), at_once.astype(np.float64))


def _sum(row: Floats) -> float:
    """Of what is known."""
    return float(np.nansum(row))


def _per(amount: float, seconds: float) -> float:
    return amount / seconds if seconds > 0 else 0.0
