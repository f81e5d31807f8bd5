"""A scheduler with fixed latencies (`--ttft`, `--itl`, or a request's script): each request has its first token so long
after it came, and each further one so long after the last, whatever else runs. Pure.

A token is due at `came + ttft + index * itl`, however late the one before was told: nothing drifts. There is no batch;
adapters are always there. With a `capacity` there is a line: whoever comes is let in 1 / capacity after the one before
at the earliest, and its latencies count from there. The prefix cache is kept, so that the counts of cached tokens are
true; a request that finds no room in it runs without.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from itertools import count

from headway.engines.mock_kv import BLOCK_TOKENS, PagedCache
from headway.engines.mock_profile import Profile
from headway.engines.mock_sequence import Sequence, Step

__all__ = ["FixedPace"]


ROUNDINGS = 4
"""Of a float: `now + (due - now)` is `due` but for these, and not a wait of its own."""


class FixedPace:
    exact = True

    def __init__(self, profile: Profile, ttft: float, itl: float, capacity: float | None = None) -> None:
        """Seconds; `capacity` in requests a second (None: no line)."""
        self.cache = PagedCache(profile.blocks)
        self.preemptions = 0
        self.queried = 0
        self.hits = 0
        self._ttft, self._itl = ttft, itl
        self._service = 1 / capacity if capacity else 0.0
        self._free = 0.0  # when the next of the line may be let in
        self._line: deque[Sequence] = deque()
        self._due: list[tuple[float, int, Sequence]] = []
        self._order = count()
        self._running = 0

    @property
    def stepping(self) -> bool:
        return False

    @property
    def running(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return len(self._line)

    def waiting_adapters(self) -> set[str]:
        return set()

    def submit(self, sequence: Sequence, now: float) -> None:
        sequence.arrived = now
        self._line.append(sequence)

    def cancel(self, sequence: Sequence) -> None:
        if sequence.running:
            self._leave(sequence)
        elif sequence in self._line:
            self._line.remove(sequence)

    def step(self, now: float) -> Step:
        self._let_in(now)
        told = []
        until = _as_good_as(now)
        while self._due and self._due[0][0] <= until:
            due, _, sequence = heapq.heappop(self._due)
            if not sequence.running:
                continue
            sequence.produced += 1
            sequence.first = due if sequence.first is None else sequence.first
            told.append((due, sequence))
        for due, sequence in told:
            if sequence.done:
                self._leave(sequence)
            else:
                self._next(sequence, due + (self._itl if sequence.itl is None else sequence.itl))
        return Step(tuple(sequence for _, sequence in told), self._wait(now))

    def _wait(self, now: float) -> float | None:
        """Until something is due again."""
        times = [self._due[0][0]] if self._due else []
        if self._line:
            times.append(self._turn(self._line[0]))
        return max(0.0, min(times) - now) if times else None

    def _turn(self, sequence: Sequence) -> float:
        """When the first of the line is let in."""
        return max(sequence.arrived, self._free) if self._service else sequence.arrived

    def _let_in(self, now: float) -> None:
        until = _as_good_as(now)
        while self._line and (turn := self._turn(self._line[0])) <= until:
            sequence = self._line.popleft()
            self._free = turn + self._service
            sequence.started = turn
            self._start(sequence)
            self._next(sequence, turn + (self._ttft if sequence.ttft is None else sequence.ttft))

    def _start(self, sequence: Sequence) -> None:
        sequence.running = True
        self._running += 1
        shared = self.cache.match(sequence.keys, (sequence.prompt_tokens - 1) // BLOCK_TOKENS)
        own = self.cache.take(-(-(sequence.prompt_tokens + sequence.length) // BLOCK_TOKENS) - len(shared), shared)
        if own is not None:
            sequence.blocks, sequence.sealed = [*shared, *own], len(shared)
            sequence.cached = len(shared) * BLOCK_TOKENS
            sequence.seal(self.cache, sequence.prompt_tokens)
        self.queried += sequence.prompt_tokens
        self.hits += sequence.cached

    def _next(self, sequence: Sequence, due: float) -> None:
        if not sequence.held:
            heapq.heappush(self._due, (due, next(self._order), sequence))

    def _leave(self, sequence: Sequence) -> None:
        if sequence.blocks:
            sequence.seal(self.cache, sequence.prompt_tokens + max(0, sequence.produced - 1))
            self.cache.release(sequence.blocks)
            sequence.blocks = []
        sequence.running = False
        self._running -= 1


def _as_good_as(now: float) -> float:
    return now + ROUNDINGS * math.ulp(now)
