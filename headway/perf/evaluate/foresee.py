"""The prediction of a measured row: the benchmark's callers played on the replica that the row describes.

Of a disaggregated row, prompts are computed by one kind of worker and tokens by another (DistServe, OSDI'24;
Splitwise, ISCA'24): the time to the first token is the queue before the prompt workers and the transfer of keys and
values, the time of a token that of a decode step without prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headway.errors import ResourceError
from headway.perf.bands import band, spread_of
from headway.perf.closed_loop import Callers, play
from headway.perf.constants import Constants, Harness
from headway.perf.evaluate.relay import relayed
from headway.perf.evaluate.row import Measured, settings
from headway.perf.evaluate.speculation import tokens_a_step
from headway.perf.limits import BLOCK, admitted, limits
from headway.perf.prediction import Band
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits
from headway.perf.step.step import step_of

__all__ = ["Foreseen", "foresee", "late", "limits_of", "point"]

MOST_REQUESTS = 6000
"""Of one played benchmark: more callers ask fewer times each."""
MOST_SEQUENCES = 4096
"""Benchmarks lift the engines' own limit."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Seconds. `accelerators`: of all workers, 0: not told; `requests`: a second, by the prediction."""

    ttft: Band
    tpot: Band
    accelerators: int
    requests: float


def foresee(row: Measured, by: Constants) -> Foreseen:
    """UsageError: its model, system or engine is not known, or it does not say how many callers there were."""
    found = settings(row)
    ttft, tpot, requests, accelerators = point(row, found, by)
    first = found[0]
    return Foreseen(
        band(ttft, spread_of(by.bands, "ttft", first, row.lane)),
        band(tpot, spread_of(by.bands, "tpot", first, row.lane)),
        accelerators,
        requests,
    )


def point(row: Measured, found: tuple[Setting, ...], by: Constants) -> tuple[float, float, float, int]:
    """Seconds to the first token and of a token, requests a second, accelerators."""
    if row.mode == "disagg":
        return relayed(row, found, by)
    setting, harness = found[0], by.harnesses[row.harness]
    room = limits_of(setting, by, round(harness.longest * (row.prompt + row.output)))
    played = play(step_of(setting, by), room, _callers(row, setting, harness))
    tpot = played.tpot / tokens_a_step(row, setting)
    return played.ttft + late(setting, by, row.harness), tpot, played.requests, setting.accelerators


def late(setting: Setting, by: Constants, harness: str) -> float:
    """Seconds to the first token beside steps and waiting for them."""
    kind = by.harnesses[harness]
    more = kind.mixture if setting.model.experts else kind.dense
    return by.engines[setting.engine].request + more.get(setting.engine, 0.0)


def limits_of(setting: Setting, by: Constants, longest: int) -> Limits:
    """Room as the engine has it. Where by our account there is none, or none for the longest request, it ran all the
    same, so that there was some."""
    try:
        room = limits(replace(setting, most_sequences=MOST_SEQUENCES), by)
    except ResourceError:
        return Limits(1 << 40, BLOCK, MOST_SEQUENCES, by.engines[setting.engine].token_budget)
    return admitted(setting, replace(room, kv_tokens=max(room.kv_tokens, longest + BLOCK)), longest)


def _callers(row: Measured, setting: Setting, harness: Harness) -> Callers:
    rounds = max(2, min(harness.rounds, MOST_REQUESTS // row.callers))
    prompt, output = round(row.prompt * harness.longest), round(row.output * harness.longest)
    return Callers(row.callers, prompt, output, harness.spread, rounds, harness.cached.get(setting.engine, 0.0))
