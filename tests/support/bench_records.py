"""Records without a server: single ones with the times that a test says, and whole runs against queues of known load.

A queue is first come, first served, and drawn from a seed, so that a test may ask how often a verdict comes out wrong.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from headway.bench.facts import Generator, RunFacts, StageFacts
from headway.bench.record import Record

DECODE = 0.4
"""Seconds from the first token to the end, in a queue's answers."""
TOKENS = 21


def answer(number: int = 0, due: float = 0.0, **given: Any) -> Record:
    """An answered stream of 5 tokens, one a chunk: sent when due, first token after 100 ms, then one every 10 ms."""
    first = given.get("first", due + 0.1)
    gaps = given.pop("gaps", [10_000] * 4)
    last = (first or 0.0) + sum(gaps) * 1e-6
    told: dict[str, Any] = {
        "stage": 0,
        "operation": "chat",
        "model": "m",
        "started": due,
        "sent": due,
        "first_byte": first,
        "first": first,
        "last": last,
        "ended": last,
        "status": 200,
        "prompt_tokens": 50,
        "output_tokens": len(gaps) + 1,
        "wanted_tokens": len(gaps) + 1,
        "gaps": gaps,
    }
    return Record(number=number, due=due, **(told | given))


def failed(number: int = 0, due: float = 0.0, error: str = "http", status: int = 500, **given: Any) -> Record:
    told: dict[str, Any] = {"stage": 0, "operation": "chat", "model": "m", "started": due, "sent": due}
    told |= {"ended": due + 0.05, "status": status, "error": error}
    return Record(number=number, due=due, **(told | given))


def facts(seconds: float = 60.0, rate: float | None = 20.0, **given: Any) -> RunFacts:
    """Of a run with one stage and a generator in good health."""
    stage: dict[str, Any] = {"cv": None, "concurrency": None, "ramp": False}
    stage |= {name: given.pop(name) for name in tuple(stage) if name in given}
    told: dict[str, Any] = {
        "stages": [StageFacts("load", 0.0, seconds, rate, **stage)],
        "generators": [Generator(cpu=0.1 * seconds, cpu_share=0.2, loop_delays=[0.0001] * 200)],
        "ended": seconds + 1.0,
        "headway": "0.0",
        "started_at": 1.7e9,
    }
    return RunFacts(target="http://127.0.0.1:1", workload="w", seed=1, **(told | given))


def arrivals(rate: float, seconds: float, seed: int, cv: float = 1.0) -> np.ndarray[Any, Any]:
    """Times with gaps of the gamma law; cv 1 is Poisson, 0 is constant."""
    random = np.random.default_rng(seed)
    count = int(rate * seconds * 1.5 + 50)
    times = np.cumsum(random.gamma(1 / cv**2, cv**2 / rate, count)) if cv else np.arange(count) / rate
    return times[times < seconds]


def queue(due: Sequence[float], capacity: float, seed: int, places: int = 1, cv: float = 1.0) -> list[float]:
    """When each request's first token comes, from a server of so many `places` that together serve `capacity` requests
    a second; `cv` is that of the time each takes."""
    random = np.random.default_rng(seed + 1_000_000)
    takes = random.gamma(1 / cv**2, cv**2 * places / capacity, len(due)) if cv else [places / capacity] * len(due)
    free = [0.0] * places
    done = []
    for at, each in zip(due, takes, strict=True):
        begun = max(at, heapq.heappop(free))
        heapq.heappush(free, begun + each)
        done.append(begun + each)
    return done


def served(rate: float, capacity: float, seconds: float, seed: int, **given: Any) -> list[Record]:
    """The records of an open loop against a queue."""
    law = given.pop("law", 1.0)
    due = [float(each) for each in arrivals(rate, seconds, seed, law)]
    firsts = queue(due, capacity, seed, **given)
    gaps = [int(DECODE * 1e6 / (TOKENS - 1))] * (TOKENS - 1)
    pairs = enumerate(zip(due, firsts, strict=True))
    return [answer(number, at, first=float(first), gaps=gaps) for number, (at, first) in pairs]
