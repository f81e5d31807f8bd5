"""Callers whose prompts one group of workers computes and whose tokens another one: the waits before the first group.

Each caller's request goes to the prompt worker that is free first and is served whole, first come first served; its
keys and values move over the fabric; then it decodes among its worker's sequences, and the caller asks again. All
callers ask at once at the beginning, as the benchmarks do.
"""

from __future__ import annotations

from heapq import heapify, heapreplace

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

CALLERS_OF_WORKER = 512
"""Of a decode worker, where a row does not say how many workers there were: then one more for each so many."""


def relayed(row: Measured, found: tuple[Setting, ...], by: Constants) -> tuple[float, float, float, int]:
    """Seconds to the first token and of a token, requests a second, accelerators."""
    if not row.callers:
        raise UsageError("the row says neither its concurrency nor its workers and their batch")
    prompt, decode = found
    degrees = row.parts["decode_"]["num_workers"], row.parts["prefill_"]["num_workers"]
    decoders = degrees[0] or 1 + row.callers // CALLERS_OF_WORKER
    prompters = degrees[1] or 1
    harness = by.harnesses[row.harness]
    mean = 1 - harness.spread / 2
    load = Load(row.prompt * mean, row.output * mean)
    own, _ = prompt_seconds(step_of(prompt, by), Limits(1 << 40, token_budget=1 << 20), load, 0)
    moved = cache_of(prompt).token * load.prompt / by.kernels.fabric
    running = max(1.0, row.callers / decoders)
    each = max(1, round(running))
    tpot = step_of(decode, by).seconds(0, 0.0, 0, each, each * (load.prompt + load.output / 2))
    wait, requests = _waits(row.callers, prompters, own, moved + tpot * (load.output - 1), harness.rounds)
    more = harness.mixture if decode.model.experts else harness.dense
    late = by.engines[decode.engine].request + more.get(decode.engine, 0.0)
    return wait + own + moved + late, tpot, requests, prompters * prompt.accelerators + decoders * decode.accelerators


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
