"""A load test inside a test: a mock engine that knows the truth, a Workload in the words of its file, a whole run.

Whatever is timed is held against what the mock engine itself wrote down, so that a machine that is busy with something
else delays both sides alike.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from headway.bench.conduct import conduct
from headway.bench.facts import RunFacts
from headway.bench.plan import RunPlan, Target
from headway.bench.record import Record
from headway.bench.schema import Slo, Summary
from headway.bench.summary import summarise
from headway.engines.mock_arrivals import Arrival
from headway.perf.traffic.planned import Planned
from headway.perf.traffic.schedule import traffic
from headway.spec.check import workload_from_json
from headway.spec.workload import Workload
from headway.wire.traces import trace_of
from tests.support.mock_engine import Engines

__all__ = [
    "Run",
    "bench",
    "between",
    "exponential_fit",
    "gaps",
    "in_flight",
    "lags",
    "paired",
    "planned",
    "quantile",
    "read_arrivals",
    "variation",
    "waits",
    "workload",
]

SHORT = {"prompt": 20, "output": 10}
PUNCTUAL = 0.001
"""Seconds after the quickest."""


def workload(**fields: Any) -> Workload:
    """Of short chats, unless said otherwise; `lasts` is `for`."""
    if "lasts" in fields:
        fields["for"] = fields.pop("lasts")
    replayed = "trace" in fields
    return workload_from_json({"name": "test", "model": "mock"} | ({} if replayed else SHORT) | fields)


@dataclass(frozen=True)
class Run:
    """`records` in the order they were due."""

    workload: Workload
    records: tuple[Record, ...]
    facts: RunFacts
    slo: Slo | None

    def summary(self, *, undisturbed: bool = False) -> Summary:
        """`undisturbed`: judged as if this machine, on which other tests run, had not kept the generator waiting.
        What the server did stays as it was."""
        if not undisturbed:
            return summarise(self.records, self.facts, self.slo)
        generators = [msgspec.structs.replace(each, loop_delays=[], cpu_share=0.0) for each in self.facts.generators]
        records = [msgspec.structs.replace(each, started=each.due) for each in self.records]
        return summarise(records, msgspec.structs.replace(self.facts, generators=generators), self.slo)


async def bench(to: Engines | str, load: Workload, *, slo: Slo | None = None, **plan: Any) -> Run:
    """Run it, without any request beforehand."""
    url = to if isinstance(to, str) else to.url
    target = Target(url=url, dialect="engine")
    given: dict[str, Any] = {"workers": 1, "preflight": False, "drain": 20.0} | plan
    records: list[Record] = []
    facts = await conduct(RunPlan(workload=load, target=target, **given), records.append)
    return Run(load, tuple(sorted(records, key=lambda each: (each.due, each.number))), facts, slo)


def read_arrivals(path: Path) -> list[Arrival]:
    """In the order they came."""
    decode = msgspec.json.Decoder(Arrival).decode
    return sorted((decode(line) for line in path.read_bytes().splitlines()), key=lambda each: each.number)


def paired(records: Iterable[Record], log: Path, tokens: int | None = None) -> list[tuple[Record, Arrival]]:
    """Each request as both sides saw it, in the order they came to the server; of its log only answers of so many
    tokens."""
    seen = [each for each in read_arrivals(log) if tokens in (None, each.tokens)]
    known = {each.number: each for each in records}
    assert len(seen) == len(known), "each was sent once, and none is missing"
    return [(known[int(each.id.rpartition("-")[2])], each) for each in seen]


def planned(load: Workload) -> list[Planned]:
    """The schedule, as everybody can compute it."""
    return list(traffic(load, trace_of(load)))


def lags(pairs: Sequence[tuple[Record, Arrival]]) -> list[float]:
    """How much later than it was due each came, in seconds; the quickest of them was on time."""
    late = [arrival.came - record.due for record, arrival in pairs]
    return [each - min(late) for each in late]


def waits(pairs: Sequence[tuple[Record, Arrival]]) -> list[float]:
    """From when each was due to when the server wrote its first token; the quickest request came when it was due."""
    zero = min(arrival.came - record.due for record, arrival in pairs)
    return [(arrival.first or 0.0) - zero - record.due for record, arrival in pairs]


def quantile(values: Iterable[float], part: float) -> float:
    """Nearest rank: the smallest that at least so large a part does not exceed."""
    known = sorted(values)
    return known[max(0, math.ceil(part * len(known)) - 1)]


def between(times: Iterable[float]) -> list[float]:
    """From each to the next."""
    return [later - earlier for earlier, later in pairwise(times)]


def gaps(pairs: Sequence[tuple[Record, Arrival]]) -> list[list[float]]:
    """Between requests, by the schedule that the generator kept, which the server's log follows; and between arrivals
    at the server, if nothing else on this machine held any up (it would lengthen one gap and shorten others)."""
    late = lags(pairs)
    assert quantile(late, 0.25) < 0.2
    kept = [between(sorted(record.due for record, _ in pairs))]
    return [*kept, between(arrival.came for _, arrival in pairs)] if quantile(late, 0.99) < PUNCTUAL else kept


def variation(values: Sequence[float]) -> float:
    """The coefficient of variation."""
    return statistics.pstdev(values) / statistics.fmean(values)


def exponential_fit(values: Sequence[float]) -> float:
    """The p-value of a Kolmogorov-Smirnov test against the exponential distribution of the same mean (Kolmogorov's
    limit with Stephens' correction; as the mean is estimated the true p is lower, so bounds stay on the safe side)."""
    known, mean, count = sorted(values), statistics.fmean(values), len(values)
    expected = [1 - math.exp(-value / mean) for value in known]
    distance = max(max((index + 1) / count - at, at - index / count) for index, at in enumerate(expected))
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * distance
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def in_flight(seen: Sequence[Arrival], start: float, end: float) -> tuple[float, int]:
    """The mean over that time, and the most at once, at the server."""
    steps = sorted([(each.came, 1) for each in seen] + [(each.ended, -1) for each in seen])
    here, most, area, before = 0, 0, 0.0, start
    for when, change in steps:
        at = min(max(when, start), end)
        area += here * (at - before)
        before, here = at, here + change
        most = max(most, here)
    return (area + here * (end - before)) / (end - start), most
