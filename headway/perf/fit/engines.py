"""The constants that make predictions of whole runs miss least: robust least squares of logarithms, with priors.

The times of a token have a closed form that is within a few thousandths of the played benchmark, so that it is what
is fitted. The time to the first token has none: it is played at the present constants, its ratio to the closed form is
kept while these move, and played again (a fixed point in three rounds). Residuals beyond a bound count linearly
(Huber 1964): some rows were run with speculation or prefix caches that they do not tell of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from headway.perf.constants import Constants
from headway.perf.evaluate.foresee import late, limits_of, point
from headway.perf.evaluate.speculation import tokens_a_step
from headway.perf.fit.parameters import PARAMETERS, Parameter, changed
from headway.perf.fit.rows import Sample, weights
from headway.perf.steady import closed
from headway.perf.step.shape import Limits
from headway.perf.step.step import Step, step_of

__all__ = ["Fitted", "Floats", "fitted", "played", "relays"]

Floats = npt.NDArray[np.float64]

TPOT, TTFT = 0.10, 0.30
"""Residuals of a standard deviation, as a share: what rows of one setting differ by between versions of an engine."""
BEYOND = 1.5
"""Of them, and a residual counts linearly."""
GROUPS = 3.0
"""Weight of a group of rows against a prior."""
OF_HARNESS = {"inferencemax": (1.0, 1.0), "internal": (0.5, 0.15)}
"""Weights of a row's time of a token, and of its time to the first one: the internal runs' load is not told."""
DOUBTED = {("internal", "vllm"): 0.3}
"""Further weight: those on vLLM 0.12 take a constant 35 to 58 ms a step on one model and compute more prompts than the
accelerator has arithmetic for on the other."""

BATCHED, RELAYS = (0.45, 0.55, 0.65, 0.8), (0.0, 0.15, 0.3)
"""Tried of a prompt worker's share of time, and of seconds of handing over."""


@dataclass(frozen=True, slots=True)
class Fitted:
    constants: Constants
    logs: Floats
    cost: float


def fitted(
    found: Sequence[Sample],
    base: Constants,
    parameters: Sequence[Parameter] = PARAMETERS,
    *,
    start: Floats | None = None,
    rounds: int = 3,
    evaluations: int = 12,
) -> Fitted:
    """Of the aggregated ones among them. `start`: logarithms; left out: the parameters' own."""
    from scipy.optimize import least_squares  # noqa: PLC0415 # only the extra `headway[fit]` has it

    agg = [each for each in found if each.row.mode == "agg" and each.row.callers]
    prior = np.log([each.start for each in parameters])
    spread = np.array([each.spread for each in parameters])
    logs = prior if start is None else start
    doubt = [DOUBTED.get((each.row.harness, each.row.engine), 1.0) for each in agg]
    weight = GROUPS * np.array(weights(agg)) * np.array(doubt)
    tokens, first = (weight * np.array([OF_HARNESS[each.row.harness][i] for each in agg]) for i in (0, 1))
    measured = np.log([[each.row.tpot, each.row.ttft] for each in agg])
    cost = 0.0
    for _ in range(rounds):
        ratio = _ratios(agg, changed(base, parameters, logs))

        def residuals(at: Floats, ratio: Floats = ratio) -> Floats:
            misses = measured - np.log(_closed(agg, changed(base, parameters, at), ratio))
            tpot, ttft = _bounded(misses[:, 0] / TPOT), _bounded(misses[:, 1] / TTFT)
            return np.concatenate([tokens * tpot, first * ttft, (at - prior) / spread])

        best = least_squares(residuals, logs, x_scale=spread, max_nfev=evaluations)
        logs, cost = best.x, float(best.cost)
    return Fitted(changed(base, parameters, logs), logs, cost)


def played(found: Sequence[Sample], by: Constants) -> Floats:
    """Seconds of a token and to the first one, as a user of `headway perf evaluate` gets them."""
    told = [point(each.row, each.settings, by) for each in found]
    return np.array([[tpot, ttft] for ttft, tpot, _, _ in told])


def _ratios(found: Sequence[Sample], by: Constants) -> Floats:
    """Of the played time to the first token to the closed form's, both without what comes late."""
    ahead = np.array([late(each.settings[0], by, each.row.harness) for each in found])
    ratio: Floats = (played(found, by)[:, 1] - ahead) / (_closed(found, by, np.ones(len(found)))[:, 1] - ahead)
    return ratio


def _closed(found: Sequence[Sample], by: Constants, ratio: Floats) -> Floats:
    steps: dict[str, tuple[Step, Limits]] = {}
    values = np.empty((len(found), 2))
    for index, each in enumerate(found):
        setting = each.settings[0]
        if each.engine not in steps:
            steps[each.engine] = step_of(setting, by), limits_of(setting, by, each.row.prompt + each.row.output)
        step, limits = steps[each.engine]
        told = closed(step, limits, each.load, float(each.row.callers))
        tpot = told.tpot / tokens_a_step(each.row, setting)
        values[index] = tpot, told.ttft * ratio[index] + late(setting, by, each.row.harness)
    return values


def _bounded(misses: Floats) -> Floats:
    """Whose squares are Huber's loss."""
    size = np.abs(misses)
    bounded: Floats = np.sign(misses) * np.where(
        size < BEYOND, size, np.sqrt(np.maximum(0.0, 2 * BEYOND * size - BEYOND**2))
    )
    return bounded


def relays(found: Sequence[Sample], by: Constants) -> Constants:
    """With the two constants of prefill and decode apart that make its rows miss least, from a small grid: their
    queues have no slope that a descent could follow."""
    apart = [each for each in found if each.row.mode == "disagg" and each.row.callers]
    if not apart:
        return by
    measured = np.log([each.row.ttft for each in apart])
    weight = np.array(weights(apart))

    def cost(batched: float, relay: float) -> float:
        told = np.log(played(apart, _relayed(by, batched, relay))[:, 1])
        return float(np.sum(weight * np.minimum(np.abs(measured - told), 1.0)))

    _, batched, relay = min((cost(batched, relay), batched, relay) for batched in BATCHED for relay in RELAYS)
    return _relayed(by, batched, relay)


def _relayed(by: Constants, batched: float, relay: float) -> Constants:
    harnesses = {name: replace(each, relay=relay) for name, each in by.harnesses.items()}
    return replace(by, kernels=replace(by.kernels, batched=batched), harnesses=harnesses)
