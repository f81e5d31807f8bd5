"""A server as a queue on paper: so many at once, each takes its time, first come first served. For searches to be
tried on, thousands of seconds of load in an instant."""

from __future__ import annotations

import heapq
import itertools
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from headway.bench.search import Found, Goal, Probe, Seen, decide
from headway.bench.staging import StageWatch

__all__ = ["PaperServer", "search"]

POLL = 0.25
"""Seconds between two looks, as a run gives them."""


@dataclass(frozen=True)
class PaperServer:
    """`servers` at once, `service` seconds each (`spread` = 0: always; 1: exponential). A request is inside when it
    waits no longer than `patience`. `poisson` or evenly spaced arrivals. `lapse`: the share that misses at any
    rate."""

    servers: int
    service: float
    patience: float
    spread: float = 0.0
    poisson: bool = True
    lapse: float = 0.0

    @property
    def capacity(self) -> float:
        return self.servers / self.service

    def goal(self, **given: float) -> Goal:
        known = {"alone": self.service, "patience": self.patience, "cv": 1.0 if self.poisson else 0.0}
        return Goal(**known | given)

    def requests(self, rate: float, seconds: float, chance: random.Random) -> list[tuple[float, float, bool]]:
        """(due, ended, hit)."""
        free = [0.0] * self.servers
        found = []
        for due in self._arrivals(rate, seconds, chance):
            begun = max(due, heapq.heappop(free))
            took = self.service * (1 - self.spread + self.spread * chance.expovariate(1.0))
            heapq.heappush(free, begun + took)
            found.append((due, begun + took, begun - due <= self.patience and chance.random() >= self.lapse))
        return found

    def share(self, rate: float, seconds: float = 20_000, seed: int = 1) -> float:
        """Inside the SLO in the long run."""
        requests = self.requests(rate, seconds, random.Random(seed))  # noqa: S311
        return sum(hit for *_, hit in requests) / len(requests)

    def best(self, goal: float = 0.95, seconds: float = 20_000) -> float:
        """The highest rate with the goal's share inside, in the long run: what a search should find."""
        low, high = 0.05 * self.capacity, self.capacity
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if self.share(middle, seconds) >= goal else (low, middle)
        return low

    def _arrivals(self, rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
        gaps = (chance.expovariate(rate) if self.poisson else 1 / rate for _ in itertools.count())
        return itertools.takewhile(lambda at: at < seconds, itertools.accumulate(gaps))

    def stage(self, goal: Goal, probe: Probe, chance: random.Random) -> Seen:
        """As a run against a real server goes: looked at four times a second, ended early when it may be."""
        requests = self.requests(probe.rate, probe.seconds, chance)
        watch, now = StageWatch(goal, probe, 1.0 if self.poisson else 0.0), 0.0
        dues, ends = [due for due, *_ in requests], sorted(ended for _, ended, _ in requests)
        stop = probe.seconds
        while (now := now + POLL) < probe.seconds:
            hits = [hit for due, ended, hit in requests if probe.warm <= due and ended <= now]
            if watch.enough(now, bisect_right(dues, now) - bisect_right(ends, now), hits):
                stop = now
                break
        sent = [each for each in requests if each[0] <= stop]
        counted = [each for each in sent if each[0] >= probe.warm]
        done = sorted(ended for _, ended, _ in sent)
        answered = 0.0
        if len(done) >= 10:
            early, late = done[len(done) // 10], done[len(done) * 8 // 10]
            answered = (len(done) * 8 // 10 - len(done) // 10) / max(late - early, 1e-9)
        rate = len(counted) / (stop - probe.warm)
        return Seen(
            rate or probe.rate, tuple(hit for *_, hit in counted), stop, watch.overloaded, answered, probe.close
        )


def search(server: PaperServer, goal: Goal, seed: int) -> tuple[Found, list[Seen]]:
    chance, seen = random.Random(seed), []  # noqa: S311
    while True:
        step = decide(goal, seen)
        if isinstance(step, Found):
            return step, seen
        seen.append(server.stage(goal, step, chance))
