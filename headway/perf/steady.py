"""Latencies of one replica in its steady state, in closed form: microseconds, for a search over thousands of settings.

A sequence decodes `output - 1` steps; the prompts of the others are computed in between and stretch some of them, so
that the mean time of a token is that of a decode step plus the others' prompts over the steps. A prompt waits for the
rest of the step under way, for prompts before it, and for its own chunks (Sarathi-Serve, OSDI'24). In a closed loop of
B callers the replica cycles; an open loop's number of sequences is Little's, found by bisection. Prompts wait for one
another as in M/D/1 (Pollaczek-Khinchine). What is not here (bursts, starts, uneven lengths) the simulator has.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from headway.perf.prediction import Load
from headway.perf.step.shape import Limits, StepTime

__all__ = ["Steady", "most_running", "prompt_seconds", "steady"]

BISECTIONS = 25
FULL = 0.98
"""Of its time that a replica may be busy with prompts and tokens before an open loop counts as more than it bears."""


@dataclass(frozen=True, slots=True)
class Steady:
    """Seconds. `decode`: of a step without prompts; `mixed`: with a piece of one; `share`: of steps that are mixed;
    `own`: of a prompt's own steps; `wait`: of a prompt before them; `running`: sequences decoded or computed."""

    decode: float
    mixed: float
    share: float
    own: float
    wait: float
    tpot: float
    running: float
    requests: float
    saturated: bool

    @property
    def ttft(self) -> float:
        return self.wait + self.own


def most_running(limits: Limits, load: Load) -> float:
    """Sequences that have room at once, on the mean of their lives."""
    return max(1.0, min(float(limits.most_sequences), limits.kv_tokens / (load.prompt + load.output / 2)))


def prompt_seconds(step: StepTime, limits: Limits, load: Load, decodes: float) -> tuple[float, int]:
    """Seconds of the steps in which one prompt is computed beside so many decodes, and how many steps those are."""
    beside = round(decodes)
    new = max(1.0, load.prompt - load.cached)
    pieces = max(1, ceil(new / max(1, limits.token_budget - beside)))
    context = decodes * (load.prompt + load.output / 2)
    piece = new / pieces
    attended = new * (load.cached + new / 2) / pieces
    return pieces * step.seconds(round(piece), attended, 1, beside, context), pieces


def steady(step: StepTime, limits: Limits, load: Load) -> Steady:
    if load.rate is None:
        return closed(step, limits, load, load.concurrency or 1.0)
    return _open(step, limits, load, load.rate)


def closed(step: StepTime, limits: Limits, load: Load, callers: float) -> Steady:
    running = min(callers, most_running(limits, load))
    tokens = max(1.0, load.output - 1)
    decoding = running
    for _ in range(4):
        decode = _decode(step, load, decoding)
        own, pieces = prompt_seconds(step, limits, load, decoding)
        extra = max(0.0, own - pieces * decode)
        busy = min(1.0, (running - 1) * pieces / tokens)
        tpot = decode + (running - 1) * extra / tokens if busy < 1.0 else own / pieces
        cycle = max(own + tokens * tpot, running * own)
        decoding = max(1.0, running * min(1.0, tokens * tpot / cycle))
    wait = max(0.0, cycle - own - tokens * tpot)
    load_factor = min(0.95, (running - 1) * own / cycle)
    wait += min(decode / 2 + own * load_factor / (2 * (1 - load_factor)), (running - 1) * own / 2 + decode / 2)
    whole = wait + own + tokens * tpot
    wait += max(0.0, callers / running - 1) * whole
    return Steady(decode, own / pieces, busy, own, wait, tpot, running, running / whole, False)


def _open(step: StepTime, limits: Limits, load: Load, rate: float) -> Steady:
    """The number of sequences at which as many leave as come; the most that fit when more come than leave."""
    room = most_running(limits, load)
    full = closed(step, limits, load, room)
    if rate >= FULL * full.requests:
        return Steady(full.decode, full.mixed, full.share, full.own, inf, full.tpot, room, full.requests, True)
    tokens = max(1.0, load.output - 1)
    low, high = 0.0, room
    for _ in range(BISECTIONS):
        sequences = (low + high) / 2
        decode = _decode(step, load, max(1.0, sequences))
        own, pieces = prompt_seconds(step, limits, load, sequences)
        extra = max(0.0, own - pieces * decode)
        # Of each second, `rate * extra` goes to prompts: decode steps take what is left.
        tpot = decode / max(1e-3, 1.0 - rate * extra)
        low, high = (sequences, high) if rate * (own + tokens * tpot) > sequences else (low, sequences)
    wait = decode / 2 * min(1.0, sequences) + _queue(rate, own)
    share = min(1.0, rate * pieces * tpot)
    return Steady(decode, own / pieces, share, own, wait, tpot, sequences, rate, False)


def _queue(rate: float, own: float) -> float:
    """M/D/1: the mean wait of prompts for prompts before them."""
    busy = min(0.99, rate * own)
    return own * busy / (2 * (1 - busy))


def _decode(step: StepTime, load: Load, decodes: float) -> float:
    whole = max(1, round(decodes))
    return step.seconds(0, 0.0, 0, whole, whole * (load.prompt + load.output / 2))
