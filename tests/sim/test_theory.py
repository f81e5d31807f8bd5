"""One server and Poisson arrivals: what queueing theory says, within what chance allows."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import pytest

from headway.perf.step.shape import Limits
from headway.perf.traffic.draws import stream
from headway.perf.traffic.planned import Planned
from headway.sim.run import simulate
from tests.support.batching import Affine
from tests.support.simulated import Listed, fleet, request

EACH = 0.001
"""Seconds of a token of a prompt; answers of one token cost nothing more."""
ALONE = Limits(1_000_000, 16, most_sequences=1, token_budget=1_000_000)
LOAD = 0.7
MEAN = 100
"""Tokens, so a tenth of a second each."""
REQUESTS, SEEDS = 2500, 8


def _waits(exponential: bool) -> list[float]:
    """The mean wait in line of each of so many runs."""
    found = []
    for seed in range(SEEDS):
        draw, at, requests = stream(seed, "theory").random, 0.0, []
        for number in range(REQUESTS):
            at -= math.log(1 - draw()) * MEAN * EACH / LOAD
            tokens = max(1, round(-MEAN * math.log(1 - draw()))) if exponential else MEAN
            requests.append(request(number, at, tokens, 1))
        found.append(_mean_wait(requests))
    return found


def _mean_wait(requests: list[Planned]) -> float:
    step = Affine(step=0.0, token=EACH, pair=0.0, sequence=0.0, context=0.0)
    outcome = simulate(fleet(1, step=step, limits=ALONE, deadline=1e9, prefix_cache=False), Listed(requests))
    service = fmean(each.prompt_tokens for each in requests) * EACH
    assert outcome.whole.ended["finished"] == REQUESTS
    assert outcome.whole.ttft.mean is not None
    return outcome.whole.ttft.mean - service


@pytest.mark.parametrize(
    ("exponential", "theory"),
    [
        (False, LOAD * MEAN * EACH / (2 * (1 - LOAD))),  # M/D/1 (Pollaczek-Khinchine)
        (True, LOAD * MEAN * EACH / (1 - LOAD)),  # M/M/1
    ],
    ids=["M/D/1", "M/M/1"],
)
def test_the_mean_wait_is_that_of_theory(exponential: bool, theory: float) -> None:
    waits = _waits(exponential)
    error = stdev(waits) / math.sqrt(SEEDS)
    assert abs(fmean(waits) - theory) < 3.5 * error  # Student's t of 7 degrees: 99 %
    assert error < 0.1 * theory
