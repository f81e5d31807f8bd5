"""How much one replica bears within the limits: the highest load at which what is felt keeps them.

Loads are tried on one fixed geometric grid whatever the limits are, by bisection: latencies do not fall when the load
rises, so a looser limit never gives a smaller capacity, and what is said is at most one step (3 %) below the truth.

A prefix cache has the room that running requests do not need. It forgets what was used longest ago, so that it still
has what is read again within the time in which so many new tokens come (the characteristic time of an LRU cache: Che,
Tung and Wang 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headway.perf.plan.demand import Demand
from headway.perf.plan.goal import Felt, Goal, Miss, felt
from headway.perf.prediction import Load, Prediction
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits, StepTime

__all__ = ["Capacity", "Performance", "Replica"]

STEPS = 24
"""Of the grid, for each doubling."""
LIGHTEST = -10 * STEPS
HEAVIEST = 15 * STEPS
SLOWEST = 1e-6
"""From a request in 17 minutes to 32,768 a second."""


class Performance(Protocol):
    """The model of performance: the module `perf.predict`, or one with other constants. `predict` and `limits` raise
    ResourceError when the model does not fit."""

    def predict(self, setting: Setting, load: Load, /) -> Prediction: ...

    def limits(self, setting: Setting, /) -> Limits: ...

    def step_time(self, setting: Setting, /) -> StepTime: ...


@dataclass(frozen=True, slots=True)
class Capacity:
    """`load`: requests a second (or callers) that keep the limits; 0: not even one alone does, for `miss`. `miss`: what
    is missed at the next heavier load, or alone."""

    load: float
    miss: Miss | None


class Replica:
    """One setting under one kind of demand. `prefill`: seconds to the first token of the 95th percentile's prompt, when
    nobody else is there."""

    def __init__(self, setting: Setting, demand: Demand, by: Performance) -> None:
        self.setting, self.limits = setting, by.limits(setting)
        self._demand, self._by = demand, by
        lengths = demand.lengths
        lightest = 2.0 ** (self._lightest / STEPS)
        alone = self._predicted(lengths.prompt, lightest)
        longest = self._predicted(lengths.prompt_p95, lightest)
        self._longer = longest.ttft.value - alone.ttft.value
        self.prefill = longest.ttft.value
        self.fitted_on = alone.fitted_on

    def felt(self, load: float) -> Felt:
        """With what the prefix cache still has at this load."""
        lengths = self._demand.lengths
        found = self._predicted(lengths.prompt, load)
        if lengths.cached >= 1:
            found = self._predicted(lengths.prompt, load, self._found(found))
        return felt(found, lengths, self._longer)

    def _found(self, under: Prediction) -> float:
        """Prompt tokens that the cache has: what running requests do not hold is left to it."""
        lengths, rate = self._demand.lengths, max(under.requests.value, SLOWEST)
        held = under.running * (lengths.prompt + lengths.output / 2)
        fresh = rate * (lengths.prompt - lengths.cached + lengths.output)
        kept = max(0.0, self.limits.kv_tokens - held) / fresh
        return min(lengths.reuse.found(kept, rate), lengths.cached)

    def capacity(self, goal: Goal) -> Capacity:
        low, high = self._lightest, HEAVIEST
        miss = self._miss(low, goal)
        if miss is not None:
            return Capacity(0.0, miss)
        while high - low > 1:
            middle = (low + high) // 2
            found = self._miss(middle, goal)
            if found is None:
                low = middle
            else:
                high, miss = middle, found
        return Capacity(2.0 ** (low / STEPS), miss)

    @property
    def _lightest(self) -> int:
        """Fewer than one caller do not wait."""
        return 0 if self._demand.closed else LIGHTEST

    def _miss(self, step: int, goal: Goal) -> Miss | None:
        return self.felt(2.0 ** (step / STEPS)).miss(goal)

    def _predicted(self, prompt: float, load: float, found: float | None = None) -> Prediction:
        """`found`: of the mean prompt, in the cache; None: all that could be."""
        lengths, closed = self._demand.lengths, self._demand.closed
        cached = (lengths.cached if found is None else found) * prompt / max(lengths.prompt, 1.0)
        asked = Load(prompt, lengths.output, load if closed else None, None if closed else load, cached)
        return self._by.predict(self.setting, asked)
