"""How often queues of known load are called what, over many seeds: false verdicts are the enemy in both directions.

As a program it prints the table that docs/bench-verdicts.md shows: `python -m tests.bench.test_verdict_rates 400`.
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

from headway.bench.summary import summarise
from tests.support.bench_records import answer, arrivals, facts, served

RATE = 20.0
SERVERS = {
    "one at a time, each takes as long": {"places": 1, "cv": 0.0},
    "one at a time, Poisson": {"places": 1, "cv": 1.0},
    "eight at once, uneven": {"places": 8, "cv": 1.5},
}


def words(load: float, seconds: float, seeds: range, **server: float) -> Counter[str]:
    """Verdicts of an open loop of Poisson arrivals against a server at `load` of its capacity."""
    found: Counter[str] = Counter()
    for seed in seeds:
        records = served(RATE, RATE / load, seconds, seed, **server)
        found[summarise(records, facts(seconds, RATE, cv=1.0)).verdict.word] += 1
    return found


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("load", "least", "most"), [(0.5, 0.0, 0.0), (0.8, 0.0, 0.0), (0.95, 0.0, 0.17), (1.1, 0.2, 1.0), (2.5, 1.0, 1.0)]
)
def test_a_minute_is_called_overloaded_as_often_as_it_is(server: str, load: float, least: float, most: float) -> None:
    seeds = 12
    found = words(load, 60.0, range(seeds), **SERVERS[server])
    assert found["INVALID"] == found["FAILED"] == 0
    assert least <= found["OVERLOADED"] / seeds <= most


@pytest.mark.parametrize("takes", [2.0, 10.0, 20.0])
def test_answers_that_take_long_fill_a_run_and_overload_nobody(takes: float) -> None:
    """A server without a queue: each answer takes as long as it takes, however many there are."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        due = [float(each) for each in arrivals(10.0, 60.0, seed)]
        records = [answer(n, at, ended=at + takes * float(random.lognormal(0, 0.3))) for n, at in enumerate(due)]
        assert summarise(records, facts(60.0, 10.0, cv=1.0)).verdict.word == "VALID"


@pytest.mark.parametrize(
    ("slow", "rest", "word"),
    [
        ((20.0, 23.0), 0.0, "VALID"),  # a stall
        ((57.0, 60.0), 0.0, "VALID"),
        ((0.0, 10.0), 2.0, "VALID"),  # a slow start
        ((20.0, 40.0), 10.0, "VALID"),  # too slow for a while, and all made good
        ((40.0, 99.0), 10.0, "OVERLOADED"),  # too slow to the end
    ],
)
def test_a_server_that_changes_is_judged_by_how_it_ends(slow: tuple[float, float], rest: float, word: str) -> None:
    """It could do 40 a second, and for a while only `rest`."""
    for seed in range(4):
        random, free = np.random.default_rng(seed), 0.0
        due = [float(each) for each in arrivals(RATE, 60.0, seed)]
        records = []
        for number, at in enumerate(due):
            free = max(at, free)
            if not rest and slow[0] <= free < slow[1]:
                free = slow[1]
            free += float(random.exponential(1 / (rest if rest and slow[0] <= free < slow[1] else 2 * RATE)))
            records.append(answer(number, at, first=free, ended=free + 0.4))
        assert summarise(records, facts(60.0, RATE, cv=1.0)).verdict.word == word


def test_a_tenth_too_much_shows_in_five_minutes() -> None:
    assert words(1.1, 300.0, range(5), places=1, cv=1.0)["OVERLOADED"] >= 4


def main(seeds: int) -> None:
    for name, server in SERVERS.items():
        for seconds in (60.0, 300.0):
            for load in (0.5, 0.8, 0.95, 1.1, 2.5):
                found = words(load, seconds, range(seeds if seconds == 60.0 else seeds // 4), **server)
                shares = ", ".join(f"{word} {count / found.total():.1%}" for word, count in sorted(found.items()))
                print(f"{name:36}{seconds:5.0f} s  load {load:4}: {shares}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
