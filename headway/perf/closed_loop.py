"""Callers who each wait for an answer and then ask again, played out on one replica.

In a closed loop the time to the first token is queueing: all callers ask at once, later those whose answers end
together meet again, and a benchmark's mean has all of it. That has no closed form worth trusting, so the benchmark is
played, on the simulator's own replica (`perf.batching`): `rounds` requests for each caller, one after the other,
lengths spread evenly below the stated ones. No randomness: lengths are low-discrepancy sequences, so that equal
questions have equal answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import inf

from headway.perf.batching import Replica, Request
from headway.perf.batching.replica import Happens
from headway.perf.step.shape import Limits, StepTime
from headway.perf.traffic.planned import Piece

__all__ = ["Callers", "Played", "play"]

GOLDEN, SILVER = 0.6180339887498949, 0.4142135623730951
"""Irrational steps of the two sequences of lengths (Weyl 1916)."""
SHORTEST = 2
"""Tokens of an answer: one has no time between tokens."""


@dataclass(frozen=True, slots=True)
class Callers:
    """`count` of them; lengths are even between `1 - spread` times `prompt` and `output` and those. `rounds`: requests
    of each on the mean. `cached`: share of a prompt that is the same in all, so that the prefix cache has it."""

    count: int
    prompt: int
    output: int
    spread: float = 0.0
    rounds: int = 10
    cached: float = 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """Means in seconds over all requests, and requests a second."""

    ttft: float
    tpot: float
    requests: float


def play(step: StepTime, limits: Limits, callers: Callers) -> Played:
    """UsageError: the longest request has no room even alone."""
    replica = Replica(step, limits, prefix_cache=callers.cached > 0)
    requests = _requests(callers)
    left = callers.count * callers.rounds
    asked: dict[int, float] = {}
    first: dict[int, float] = {}
    ttft = tpot = now = 0.0
    done = 0
    for _ in range(callers.count):
        request = next(requests)
        asked[request.id] = now
        replica.offer(request, now)
    left -= callers.count
    while (now := replica.next_event()) < inf:
        for kind, at, request, _ in replica.advance(now):
            if kind is Happens.FIRST:
                first[request.id] = at
                ttft += at - asked.pop(request.id)
            elif kind is Happens.END:
                tpot += (at - first.pop(request.id)) / (request.output - 1)
                done, ended = done + 1, at
                if left:
                    left -= 1
                    another = next(requests)
                    asked[another.id] = at
                    replica.offer(another, at)
    return Played(ttft / done, tpot / done, done / ended)


def _requests(callers: Callers) -> Iterator[Request]:
    same = round(callers.prompt * (1 - callers.spread) * callers.cached)
    pieces = (Piece(1, same),) if same else ()
    for number in count(1):
        prompt = callers.prompt * (1 - callers.spread * (number * GOLDEN % 1.0))
        output = callers.output * (1 - callers.spread * (number * SILVER % 1.0))
        yield Request(number, max(1, round(prompt)), max(SHORTEST, round(output)), pieces)
