"""What it costs to believe the predictions: the dearness of the pick over that of the best that was measured.

A group is one model at one input and output length under one limit on the time of a token; its candidates are the
measured rows, of any system, engine and split. The pick is the cheapest that is predicted to meet the limit. Cost is
accelerators x price / throughput, throughput that of the closed loop: callers x tokens over the time of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from headway.errors import HeadwayError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.evaluate.foresee import Foreseen
from headway.perf.evaluate.row import Measured
from headway.perf.evaluate.scores import Scored

__all__ = ["LIMITS", "Pick", "mean_regret", "picks"]

LIMITS = (0.015, 0.03, 0.06)
"""Seconds of a token, for which groups are made."""


@dataclass(frozen=True, slots=True)
class Pick:
    """`regret`: share that the pick costs more than the best; `meets`: whether it was measured to meet the limit."""

    model: str
    prompt: int
    output: int
    limit: float
    candidates: int
    pick: str
    best: str
    regret: float
    meets: bool


def picks(rows: Iterable[Scored]) -> Iterator[Pick]:
    """Of groups that have two or more candidates, of which one was measured to meet the limit."""
    groups: dict[tuple[str, int, int], list[Scored]] = {}
    for each in rows:
        if (
            each.foreseen
            and each.foreseen.accelerators
            and each.row.callers
            and each.row.tpot
            and _price(each.row.system)
        ):
            groups.setdefault((each.row.model, each.row.prompt, each.row.output), []).append(each)
    for (model, prompt, output), found in sorted(groups.items()):
        for limit in LIMITS:
            pick = _pick(found, limit)
            if pick is not None:
                chosen, best, regret = pick
                meets = chosen.row.tpot <= limit
                yield Pick(
                    model, prompt, output, limit, len(found), chosen.row.name, best.row.name, max(0.0, regret), meets
                )


def mean_regret(found: Sequence[Pick]) -> float:
    """Of the picks that meet their limits."""
    return fmean([each.regret for each in found if each.meets] or [0.0])


def _pick(found: Sequence[Scored], limit: float) -> tuple[Scored, Scored, float] | None:
    able = [each for each in found if each.row.tpot <= limit]
    foreseen = [(each, of) for each in found if (of := each.foreseen) is not None and of.tpot.value <= limit]
    if len(found) < 2 or not able or not foreseen:
        return None
    best = min(able, key=_cost)
    pick, _ = min(foreseen, key=lambda each: _foreseen_cost(each[0].row, each[1]))
    return pick, best, _cost(pick) / _cost(best) - 1


def _cost(each: Scored) -> float:
    """Of a token, as measured."""
    row = each.row
    assert each.foreseen is not None  # noqa: S101 # only such are in a group
    took = row.ttft + row.tpot * (row.output - 1)
    return each.foreseen.accelerators * _price(row.system) * took / (row.callers * row.output)


def _foreseen_cost(row: Measured, foreseen: Foreseen) -> float:
    took = foreseen.ttft.value + foreseen.tpot.value * (row.output - 1)
    return foreseen.accelerators * _price(row.system) * took / (row.callers * row.output)


def _price(system: str) -> float:
    try:
        prices = accelerator(system).prices
    except HeadwayError:
        return 0.0
    return prices.neocloud or prices.on_demand or prices.spot or 0.0
