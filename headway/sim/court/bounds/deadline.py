"""The deadline bound: a linear program whose optimum no plan can undercut, whatever it knows.

Replicas n(t) >= 0 are real numbers, so is what is done d(t) <= slot * n(t). All that is done by t is at most what has
come by then, and at least what is due by then: a prompt `patience` after it came, an answer also as long after that as
its tokens may take; all of it by the end, `patience` after the last moment at which one comes. A rise of n costs a cold
start. Requests may be late up to the work of the dearest of them, whichever they are. Each of these asks less than any
real plan must do; so the optimum is a lower bound in this arithmetic of replica-seconds. Solved by HiGHS (`pip install
'headway[court]'`).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from headway.sim.court.bounds.ask import Asks

__all__ = ["Bound", "deadline_bound"]

MOST_SLOTS = 1200
"""Longer traces are looked at in longer slots, which asks for less again."""
SECONDS = 20.0
"""That the solver may take."""

_ROUNDING = 1 - 1e-9

Term = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Bound:
    """`replica_seconds` None: it was not solved, `why` says for what reason."""

    replica_seconds: float | None
    slot: float
    why: str = ""


def deadline_bound(
    asks: Asks, cold_start: float, *, attained: float = 1.0, ready: int = 0, token: float = 0.0
) -> Bound:
    """`token`: the SLO's seconds for a token of an answer (0: answers are due when their prompts are, and a little
    later, as their pace was planned)."""
    slot = max(asks.slot, asks.seconds / MOST_SLOTS)
    count = max(1, math.ceil(asks.slots * asks.slot / slot))
    there, due = _curves(asks, slot, count, token)
    missed = asks.dearest(1.0 - attained)
    program = _program(there, due, slot=slot, cold_start=cold_start, missed=missed, ready=ready)
    try:
        highs = importlib.import_module("highspy")
    except ImportError:
        return Bound(None, slot, "not solved: pip install 'headway[court]'")
    return _solved(highs, program, slot)


def _curves(asks: Asks, slot: float, count: int, token: float) -> tuple[list[float], list[float]]:
    """By the end of each slot: what has come, and what is due."""
    came, due = [0.0] * count, [0.0] * (count + 1)
    for each in asks.requests:
        first = int(each.at / slot)
        if first >= count:
            continue
        left = max(asks.seconds - each.at, 0.0)
        answer = each.answer * (min(1.0, left / each.lasts) if each.lasts > 0 else 1.0)  # what is after is nobody's
        came[first] += each.prompt + answer
        prompt_by = math.ceil((each.at + asks.patience) / slot)
        answer_by = math.ceil((each.at + asks.patience + max(each.lasts, token)) / slot)
        due[min(prompt_by, count)] += each.prompt
        due[min(answer_by, count)] += answer
    return list(accumulate(came)), list(accumulate(due[:count]))


@dataclass(slots=True)
class _Program:
    """Least cost . x with bounds on x and on rows of it."""

    cost: list[float]
    rows: list[tuple[float, float, list[Term]]]


def _program(
    there: Sequence[float], due: Sequence[float], *, slot: float, cold_start: float, missed: float, ready: int
) -> _Program:
    """Columns by slot: replicas n, rises r, done by its end d; the last column is what is late."""
    count = len(there)
    cost = [slot] * count + [cold_start] * count + [0.0] * count + [0.0]
    rows: list[tuple[float, float, list[Term]]] = []
    infinite, lost = math.inf, 3 * count
    for index in range(count):
        replicas, rise, done = index, count + index, 2 * count + index
        earlier: list[Term] = [(replicas - 1, 1.0)] if index else []
        # A rise is what is more than a slot before; what was there at the beginning is free.
        rows.append((0.0 if index else -ready, infinite, [(rise, 1.0), (replicas, -1.0), *earlier]))
        before: list[Term] = [(done - 1, 1.0)] if index else []
        rows.append((0.0, infinite, [(replicas, slot), (done, -1.0), *before]))
        rows.append((0.0, infinite, [(done, 1.0), *((each, -value) for each, value in before)]))
        rows.append((due[index], infinite, [(done, 1.0), (lost, 1.0)]))
        rows.append((-infinite, there[index], [(done, 1.0)]))
    rows += [(0.0, missed, [(lost, 1.0)]), (there[-1] * _ROUNDING, infinite, [(3 * count - 1, 1.0)])]
    return _Program(cost, rows)


def _solved(highs: Any, program: _Program, slot: float) -> Bound:
    solver = highs.Highs()
    solver.silent()
    solver.setOptionValue("time_limit", SECONDS)
    solver.setOptionValue("threads", 1)
    for cost in program.cost:
        solver.addVar(0.0, highs.kHighsInf)
        solver.changeColCost(solver.getNumCol() - 1, cost)
    for low, high, terms in program.rows:
        index, value = zip(*terms, strict=True)
        solver.addRow(_finite(low, highs), _finite(high, highs), len(terms), list(index), list(value))
    solver.run()
    status = solver.getModelStatus()
    if status != highs.HighsModelStatus.kOptimal:
        return Bound(None, slot, f"not solved in {SECONDS:g} s ({solver.modelStatusToString(status)})")
    return Bound(float(solver.getInfo().objective_function_value), slot)


def _finite(value: float, highs: Any) -> float:
    return float(math.copysign(highs.kHighsInf, value)) if math.isinf(value) else value
