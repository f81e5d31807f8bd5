"""Which Model of a Route answers: the first one, and after it failed the next. Pure; what is not needed is not asked.

    first       a header matches; or the cheapest that meets the SLO; or by weight, the same for the same user each time
    following   the fallbacks in their order: those for this condition that can answer now and were not tried

Each Model that was looked at is a Step with its reason, chosen or passed over, for the Record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from headway.policy.route.rule import Condition, RouteRule, Slo
from headway.policy.shares import shares

__all__ = ["RouteWhy", "State", "Step", "first", "following"]


class RouteWhy(StrEnum):
    """Why a Model was chosen, then why one was passed over."""

    MATCHED = "matched"
    WEIGHTED = "weighted"
    ONLY_ONE = "only_one"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    ON_ERROR = "on_error"
    ON_SATURATED = "on_saturated"
    ON_DEADLINE = "on_deadline"
    NO_OTHER = "no_other"
    NO_SUCH_MODEL = "no_such_model"
    WRONG_TASK = "wrong_task"
    NOT_READY = "not_ready"
    SATURATED = "saturated"
    MISSES_SLO = "misses_slo"
    DEARER = "dearer"
    NOT_FOR_THIS = "not_for_this"
    BUDGET_SPENT = "budget_spent"


class State(msgspec.Struct, frozen=True):
    """One Model, for one request, now. Seconds are predicted; `micros` is what the request would cost there."""

    serves: Literal["yes", "unknown", "wrong_task"] = "yes"
    ready: bool = True
    saturated: bool = False
    micros: float | None = None
    ttft: float | None = None
    itl: float | None = None

    @property
    def passed_over(self) -> RouteWhy | None:
        """Why it cannot answer now."""
        if self.serves != "yes":
            return RouteWhy.NO_SUCH_MODEL if self.serves == "unknown" else RouteWhy.WRONG_TASK
        if not self.ready:
            return RouteWhy.NOT_READY
        return RouteWhy.SATURATED if self.saturated else None

    def meets(self, slo: Slo) -> bool:
        late = slo.ttft is not None and self.ttft is not None and self.ttft > slo.ttft
        slow = slo.itl is not None and self.itl is not None and self.itl > slo.itl
        return not (late or slow)


class Step(msgspec.Struct, omit_defaults=True, frozen=True):
    """`at`: seconds since the request was accepted."""

    model: str
    why: str
    taken: bool = False
    detail: str = ""
    at: float = 0.0


StateOf = Callable[[str], State]


def first(
    rule: RouteRule, point: float, headers: Mapping[bytes, bytes], serves: StateOf, outlook: StateOf
) -> list[Step]:
    """The last Step is the choice, when one is taken. `serves` tells whether a Model is there for this operation,
    `outlook` all of its State, which takes longer. `point` is in [0, 1)."""
    steps: list[Step] = []
    for match in rule.match:
        if headers.get(match.header.encode(), b"").decode("latin-1") == match.equals:
            detail = f"{match.header} is {match.equals}"
            if why := _missing(serves(match.model)):
                steps.append(Step(match.model, why, detail=detail))
                continue
            return [*steps, Step(match.model, RouteWhy.MATCHED, True, detail)]
    weights: dict[str, float] = {}
    for target in rule.to:
        if why := _missing(serves(target.model)):
            steps.append(Step(target.model, why))
        else:
            weights[target.model] = weights.get(target.model, 0.0) + target.weight
    if rule.cheapest and len(weights) > 1:
        return steps + _cheapest(rule.slo, list(weights), outlook)
    if (found := shares(weights, weights)) is None:
        return steps
    chosen = found.of(point)
    if len(weights) == 1:
        return [*steps, Step(chosen, RouteWhy.ONLY_ONE, True)]
    return [*steps, Step(chosen, RouteWhy.WEIGHTED, True, f"{found.size(chosen):.3g} of the requests")]


def _missing(state: State) -> RouteWhy | None:
    """It does not serve this at all, whatever its load."""
    return state.passed_over if state.serves != "yes" else None


def _cheapest(slo: Slo, models: list[str], outlook: StateOf) -> list[Step]:
    """The cheapest that can answer now and meets the SLO; when none does, the one that begins to answer soonest."""
    steps: list[Step] = []
    able: list[tuple[float, float, str]] = []
    good: list[tuple[float, float, str]] = []
    for model in models:
        state = outlook(model)
        soon = state.ttft if state.ttft is not None else float("inf")
        cost = state.micros if state.micros is not None else float("inf")
        if why := state.passed_over:
            steps.append(Step(model, why))
            continue
        able.append((soon, cost, model))
        if state.meets(slo):
            good.append((cost, soon, model))
        else:
            steps.append(Step(model, RouteWhy.MISSES_SLO, detail=_predicted(state)))
    if not able:
        return [*steps, Step(models[0], RouteWhy.NO_OTHER, True)]
    if not good:
        model = min(able)[2]
        kept = [each for each in steps if each.model != model]
        return [*kept, Step(model, RouteWhy.FASTEST, True, _predicted(outlook(model)))]
    good.sort()
    steps += [Step(model, RouteWhy.DEARER, detail=f"{cost / 1e6:.6f} USD") for cost, _, model in good[1:]]
    return [
        *steps,
        Step(good[0][2], RouteWhy.CHEAPEST, True, f"{good[0][0] / 1e6:.6f} USD, {_predicted(outlook(good[0][2]))}"),
    ]


def _predicted(state: State) -> str:
    parts = [f"{name} {value:.3g} s" for name, value in (("ttft", state.ttft), ("itl", state.itl)) if value is not None]
    return f"predicted {', '.join(parts)}" if parts else ""


_ON = {"error": RouteWhy.ON_ERROR, "saturated": RouteWhy.ON_SATURATED, "deadline": RouteWhy.ON_DEADLINE}


def following(rule: RouteRule, condition: Condition, tried: Collection[str], state: StateOf) -> list[Step]:
    """As `first`; nothing is taken when no fallback can answer."""
    steps: list[Step] = []
    for fallback in rule.fallback:
        if fallback.model in tried:
            continue
        if condition not in fallback.on:
            steps.append(Step(fallback.model, RouteWhy.NOT_FOR_THIS, detail=f"on {', '.join(fallback.on)}"))
        elif why := state(fallback.model).passed_over:
            steps.append(Step(fallback.model, why))
        else:
            return [*steps, Step(fallback.model, _ON[condition], True)]
    return steps
