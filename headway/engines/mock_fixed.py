"""A scheduler with fixed latencies (`--ttft`, `--itl`): each request has its first token so long after it came, and
each further one so long after the last, whatever else runs. Pure.

There is no queue and no batch; adapters are always there. The prefix cache is kept, so that the counts of cached
tokens are true; a request that finds no room in it runs without.
"""

from __future__ import annotations

import heapq
from itertools import count

from headway.engines.mock_kv import BLOCK_TOKENS, PagedCache
from headway.engines.mock_profile import Profile
from headway.engines.mock_sequence import Sequence, Step

__all__ = ["FixedPace"]


class FixedPace:
    def __init__(self, profile: Profile, ttft: float, itl: float) -> None:
        self.cache = PagedCache(profile.blocks)
        self.preemptions = 0
        self.queried = 0
        self.hits = 0
        self._ttft, self._itl = ttft, itl
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
        return 0

    def waiting_adapters(self) -> set[str]:
        return set()

    def submit(self, sequence: Sequence, now: float) -> None:
        sequence.arrived = sequence.started = now
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
        self._next(sequence, now + self._ttft)

    def cancel(self, sequence: Sequence) -> None:
        if sequence.running:
            self._leave(sequence)

    def step(self, now: float) -> Step:
        produced = []
        while self._due and self._due[0][0] <= now:
            due, _, sequence = heapq.heappop(self._due)
            if not sequence.running:
                continue
            sequence.produced += 1
            sequence.first = due if sequence.first is None else sequence.first
            produced.append(sequence)
        for sequence in produced:
            if sequence.done:
                self._leave(sequence)
            else:
                self._next(sequence, now + self._itl)
        return Step(tuple(produced), self._due[0][0] - now if self._due else None)

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
