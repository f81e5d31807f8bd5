"""Callers whose prompts one group of workers computes and whose tokens another one: the waits before the first group.

Each caller's request goes to the prompt worker that is free first and is served whole, first come first served; its
keys and values move over the fabric; then it decodes among its worker's sequences, and the caller asks again. All
callers ask at once at the beginning, as the benchmarks do. Where a row does not tell how many workers there were, as
many prompt workers are taken as keep up with the others, as anybody would who sets such a thing up.
"""

from __future__ import annotations

from heapq import heapify, heapreplace
from math import ceil

from headway.errors import UsageError
from headway.perf.constants import Constants
from headway.perf.evaluate.row import Measured
from headway.perf.prediction import Load
from headway.perf.setting import Setting
from headway.perf.steady import prompt_seconds
from headway.perf.step.cache import cache_of
from headway.perf.step.shape import Limits
from headway.perf.step.step import step_of

__all__ = ["relayed"]

SPREAD_OVER, SPREAD_LONG = 6, 3
"""Decode workers where a row does not tell: in the rows that do, 6 to 9 for short prompts, 1 to 5 for long ones, and
one where a worker is larger than a node."""


def relayed(row: Measured, found: tuple[Setting, ...], by: Constants) -> tuple[float, float, float, int]:
    """Seconds to the first token and of a token, requests a second, accelerators (0: not told)."""
    if not row.callers:
        raise UsageError("the row says neither its concurrency nor its workers and their batch")
    prompt, decode = found
    harness = by.harnesses[row.harness]
    load = Load(row.prompt * harness.mean, row.output * harness.mean)
    alone, _ = prompt_seconds(step_of(prompt, by), Limits(1 << 40, token_budget=1 << 20), load, 0)
    own = alone * by.kernels.batched
    moved = cache_of(prompt).token * load.prompt / by.kernels.fabric
    decoders = row.parts["decode_"]["num_workers"] or _decoders(row, decode)
    each = max(1, round(row.callers / decoders))
    tpot = step_of(decode, by).seconds(0, 0.0, 0, each, each * (load.prompt + load.output / 2))
    away = moved + tpot * (load.output - 1)
    prompters = row.parts["prefill_"]["num_workers"] or ceil(row.callers * own / (own + away))
    wait, requests = _waits(row.callers, prompters, own, away, harness.rounds)
    more = harness.mixture if decode.model.experts else harness.dense
    late = by.engines[decode.engine].request + harness.relay + more.get(decode.engine, 0.0)
    told = row.parts["decode_"]["num_workers"] and row.parts["prefill_"]["num_workers"]
    accelerators = prompters * prompt.accelerators + decoders * decode.accelerators if told else 0
    return wait + alone + moved + late, tpot, requests, accelerators


def _decoders(row: Measured, decode: Setting) -> int:
    if decode.accelerators > decode.accelerator.node:
        return 1
    return min(row.callers, SPREAD_OVER if row.prompt <= row.output else SPREAD_LONG)


def _waits(callers: int, servers: int, own: float, away: float, rounds: int) -> tuple[float, float]:
    """The mean wait for a prompt worker, and requests a second; who is served is away for so long, then asks again."""
    free = [0.0] * servers
    asked = [0.0] * callers
    heapify(asked)
    waited = last = 0.0
    total = callers * rounds
    for _ in range(total):
        at, begins = asked[0], max(asked[0], free[0])
        waited += begins - at
        heapreplace(free, begins + own)
        heapreplace(asked, begins + own + away)
        last = begins + own + away
    return waited / total, total / last
