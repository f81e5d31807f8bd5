"""What is asked of a model, as the planner reckons with it: how often at the peak, how long, how much of it again.

It is counted from the very schedule that `bench` sends and the simulator plays (`perf.traffic.schedule`), in one pass
that keeps no request: means are exact, the 95th percentiles are right to 1 % (a histogram with steps of 1 %).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from headway.errors import UsageError
from headway.perf.plan.reuse import Reuse, Reuses
from headway.perf.traffic.planned import Planned, Traffic
from headway.perf.traffic.schedule import traffic
from headway.spec.rate import Rate
from headway.spec.workload import Arrivals, Workload

__all__ = ["WINDOW", "Demand", "Lengths", "of_recorded", "of_workload"]

WINDOW = 60.0
"""Seconds over which the peak of recorded requests is taken: about as long as a new replica takes to help."""
SAMPLED = 4000
"""Requests of a law of lengths; the mean of WildChat's prompts is then known to 3 %."""
MOST_SHARED = 200_000
"""Requests whose beginnings are remembered to say what is shared."""
_STEP = math.log(1.01)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a request. `cached`: of the prompt, those that an earlier request began with in the same words: what a
    prefix cache that forgets nothing would find; `reuse`: when it was read before. `longest`: prompt and answer of one,
    together. `uneven`: the mean square of what is new in a prompt, over the square of its mean (1: all alike)."""

    prompt: float
    output: float
    prompt_p95: float
    output_p95: float
    longest: int
    cached: float = 0.0
    uneven: float = 1.0
    reuse: Reuse = field(default_factory=Reuse)


@dataclass(frozen=True, slots=True)
class Demand:
    """`peak`, `mean`: requests a second, or callers that wait for their answers (`closed`). `window`: seconds of the
    peak, 0: it was said and not counted. `origin`: where the figures are from, for people."""

    lengths: Lengths
    peak: float
    mean: float
    closed: bool = False
    window: float = 0.0
    origin: str = ""


def of_workload(workload: Workload, model: str = "") -> Demand:
    """Of arrivals by a law: the highest rate of its stages, and lengths from a sample. `model`: where the workload
    names it, only what is asked of that one counts. Raises UsageError where there is nothing to plan for."""
    arrivals = workload.arrivals
    if arrivals is None:
        raise UsageError(f"{workload.name} says not when requests come", hint="write arrivals: {rate: 20/s}")
    sampled = workload.model_copy(
        update={"arrivals": Arrivals.model_construct(rate=Rate(1.0, 1.0)), "requests": SAMPLED, "lasts": None}
    )
    only = model if any(part.model == model for part in workload.parts) else ""
    counted = _Count(islice(iter(traffic(sampled)), SAMPLED), only)
    share = counted.share
    said = [(each.rate, float(each.concurrency or 0), each.lasts) for each in arrivals.stages] or [
        (arrivals.rate, float(arrivals.concurrency or 0), 1.0)
    ]
    peak = max(callers if rate is None else max(rate.first, rate.last) for rate, callers, _ in said)
    mean = sum((callers if rate is None else rate.mean) * lasts for rate, callers, lasts in said)
    mean /= sum(lasts for _, _, lasts in said)
    return Demand(counted.lengths(workload.name), peak * share, mean * share, arrivals.is_closed, 0.0, workload.name)


def of_recorded(name: str, recorded: Traffic, window: float = WINDOW) -> Demand:
    """Of a trace, all models of it together: the fullest stretch of `window` seconds, wherever it begins.
    Raises UsageError when it is empty, and what the trace raises of a line that cannot be read."""
    counted = _Count(recorded, window=window)
    lengths = counted.lengths(name)
    seconds = max(counted.last - counted.first, window)
    peak = max(counted.most_in_window / window, counted.requests / seconds)
    return Demand(lengths, peak, counted.requests / seconds, False, window, name)


class _Count:
    """One pass over requests. `only`: those that ask for this model; empty: all."""

    def __init__(self, requests: Iterable[Planned], only: str = "", window: float = 0.0) -> None:
        self.requests = self.others = self.most_in_window = 0
        self.first = self.last = 0.0
        self._prompts, self._outputs = _Histogram(), _Histogram()
        self._longest = self._shared = self._embeddings = 0
        self._seen: dict[int, tuple[float, int]] = {}
        self._reuse = Reuses()
        self._fresh = self._squares = 0
        self._window, self._recent = window, deque[float]()
        for each in requests:
            if only and each.model not in ("", only):
                self.others += 1
            else:
                self._add(each)

    @property
    def share(self) -> float:
        """Of all requests, those that were counted."""
        return self.requests / max(self.requests + self.others, 1)

    def lengths(self, name: str) -> Lengths:
        if not self.requests:
            raise UsageError(f"{name} has no request", hint="give a longer time of it, or another one")
        if self._embeddings == self.requests:
            raise UsageError(f"{name} asks for embeddings", hint="a plan reckons with models that write answers")
        seen = min(self.requests, MOST_SHARED)
        shared = self._shared / seen
        return Lengths(
            prompt=self._prompts.mean,
            output=max(self._outputs.mean, 1.0),
            prompt_p95=self._prompts.quantile(0.95),
            output_p95=max(self._outputs.quantile(0.95), 1.0),
            longest=self._longest,
            cached=min(shared, max(self._prompts.mean - 1.0, 0.0)),
            uneven=max(1.0, self._squares * seen / self._fresh**2) if self._fresh else 1.0,
            reuse=self._reuse.counted(seen, max(self.requests - 1, 1) / max(self.last - self.first, 1e-9)),
        )

    def _add(self, each: Planned) -> None:
        prompt = each.prompt_tokens
        output = each.output_tokens if each.cancel_after is None else min(each.cancel_after, each.output_tokens)
        self.first = self.first if self.requests else each.at
        self.last = each.at
        self.requests += 1
        self._embeddings += each.operation == "embedding"
        self._prompts.add(prompt)
        self._outputs.add(output)
        self._longest = max(self._longest, prompt + output)
        if self._window:
            self._count_window(each.at)
        if self.requests <= MOST_SHARED:
            found = self._found(each)
            self._shared += found
            self._fresh += prompt - found
            self._squares += (prompt - found) ** 2

    def _count_window(self, at: float) -> None:
        recent = self._recent
        recent.append(at)
        while recent[0] <= at - self._window:
            recent.popleft()
        self.most_in_window = max(self.most_in_window, len(recent))

    def _found(self, each: Planned) -> int:
        """Tokens at its beginning that an earlier prompt has, too."""
        path = shared = 0
        for piece in each.prompt:
            path = hash((path, piece.id, piece.tokens))
            if (before := self._seen.get(path)) is not None:
                shared += piece.tokens
                is_own = each.session >= 0 and before[1] == each.session
                self._reuse.add(each.at - before[0], piece.tokens, is_own=is_own)
            self._seen[path] = each.at, each.session
        return shared


class _Histogram:
    """Of lengths, by steps of 1 %."""

    def __init__(self) -> None:
        self._steps: dict[int, list[int]] = {}
        self._sum = self._all = 0

    def add(self, length: int) -> None:
        step = round(math.log(max(length, 1)) / _STEP)
        within = self._steps.setdefault(step, [0, 0])
        within[0] += 1
        within[1] += length
        self._sum += length
        self._all += 1

    @property
    def mean(self) -> float:
        return self._sum / max(self._all, 1)

    def quantile(self, part: float) -> float:
        left = part * self._all
        for _, (many, length) in sorted(self._steps.items()):
            left -= many
            if left <= 0:
                return length / many
        return 0.0
