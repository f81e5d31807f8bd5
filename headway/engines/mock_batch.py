"""Continuous batching as vLLM v1 does it, one step at a time. Pure: the clock is passed in.

A step takes one token of each running sequence and, with what is left of `max_batched_tokens`, chunks of prompts:
those already running first, then the queue, first come first served. When KV blocks run out the sequence that came
last gives all of its blocks back, goes to the head of the queue and computes its tokens anew. What is found in the
prefix cache is not computed, except for the last token. A request whose adapter is not there is passed over until it
is.

`step(now)` ends the step that was under way and begins the next one.
"""

from __future__ import annotations

from collections import deque

from headway.engines.mock_kv import BLOCK_TOKENS, PagedCache
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_profile import Profile
from headway.engines.mock_sequence import Sequence, Step

__all__ = ["Batch"]


class Batch:
    exact = False

    def __init__(self, profile: Profile, slots: LoraSlots | None = None) -> None:
        self.cache = PagedCache(profile.blocks)
        self.preemptions = 0
        self.queried = 0
        self.hits = 0
        self._profile = profile
        self._slots = slots or LoraSlots(profile.max_loras, profile.lora_load)
        self._running: list[Sequence] = []  # in order of arrival
        self._waiting: deque[Sequence] = deque()
        self._planned: list[tuple[Sequence, int]] = []  # the step under way: tokens of each

    @property
    def stepping(self) -> bool:
        return bool(self._planned)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def waiting_adapters(self) -> set[str]:
        return {each.adapter for each in self._waiting if each.adapter}

    def submit(self, sequence: Sequence, now: float) -> None:
        sequence.arrived = now
        self._waiting.append(sequence)

    def cancel(self, sequence: Sequence) -> None:
        """Its caller left. What it has of a step under way is lost."""
        if sequence.running:
            self._running.remove(sequence)
            self._leave(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)

    def step(self, now: float) -> Step:
        produced = self._complete(now)
        self._planned, prefill, context = [], 0, 0
        budget = self._plan_running(self._profile.max_batched_tokens)
        if budget is not None:
            self._plan_waiting(budget, now)
        for sequence, tokens in self._planned:
            sequence.seal(self.cache, sequence.computed + tokens)
            context += sequence.computed + tokens
            if tokens > 1 or not sequence.produced:
                prefill += tokens
        if self._planned:
            return Step(produced, self._profile.seconds(prefill, len(self._planned), context))
        ready = self._slots.next_ready(now) if self._waiting else None
        return Step(produced, None if ready is None else ready - now)

    def _complete(self, now: float) -> tuple[Sequence, ...]:
        """Each sequence whose tokens are all computed now gets its next one."""
        produced = []
        for sequence, tokens in self._planned:
            if not sequence.running:
                continue
            sequence.computed += tokens
            if sequence.computed == sequence.total:
                sequence.produced += 1
                sequence.first = now if sequence.first is None else sequence.first
                produced.append(sequence)
        if any(each.done for each in produced):
            self._running = [each for each in self._running if not each.done]
            for each in produced:
                if each.done:
                    self._leave(each)
        return tuple(produced)

    def _plan_running(self, budget: int) -> int | None:
        """What is left of the budget; None when a sequence had to give way: then nothing new is let in."""
        index, gave_way = 0, False
        while index < len(self._running) and budget > 0:
            sequence = self._running[index]
            index += 1
            if sequence.held:
                continue
            tokens = min(sequence.total - sequence.computed, budget)
            while sequence.running and not self._grow(sequence, tokens):
                self._preempt_last()
                gave_way = True
            if sequence.running:
                self._planned.append((sequence, tokens))
                budget -= tokens
        return None if gave_way else budget

    def _plan_waiting(self, budget: int, now: float) -> None:
        passed: list[Sequence] = []
        while self._waiting and budget > 0 and len(self._running) < self._profile.max_running:
            sequence = self._waiting.popleft()
            if not self._slots.ready(sequence.adapter, now):
                passed.append(sequence)
                continue
            if (tokens := self._admit(sequence, budget, now)) is None:
                self._waiting.appendleft(sequence)
                break
            if not sequence.held:
                self._planned.append((sequence, tokens))
                budget -= tokens
        self._waiting.extendleft(reversed(passed))

    def _admit(self, sequence: Sequence, budget: int, now: float) -> int | None:
        """Blocks for what the cache has not and the budget allows: so many tokens; None when there are none."""
        shared = self.cache.match(sequence.keys, (sequence.total - 1) // BLOCK_TOKENS)
        found = len(shared) * BLOCK_TOKENS
        tokens = min(sequence.total - found, budget)
        own = self.cache.take(_blocks(found + tokens) - len(shared), shared)
        if own is None:
            return None
        sequence.blocks, sequence.computed, sequence.sealed = [*shared, *own], found, len(shared)
        sequence.running = True
        self._running.append(sequence)
        self._slots.enter(sequence.adapter)
        if sequence.started is None:
            sequence.started, sequence.cached = now, min(found, sequence.prompt_tokens)
            self.queried += sequence.prompt_tokens
            self.hits += sequence.cached
        return tokens

    def _grow(self, sequence: Sequence, tokens: int) -> bool:
        more = _blocks(sequence.computed + tokens) - len(sequence.blocks)
        if more <= 0:
            return True
        if (own := self.cache.take(more)) is None:
            return False
        sequence.blocks += own
        return True

    def _preempt_last(self) -> None:
        """The last one that still computes goes back to the head of the queue."""
        index = max(at for at, each in enumerate(self._running) if not each.held)
        victim = self._running.pop(index)
        self._leave(victim)
        victim.computed = 0
        self._waiting.appendleft(victim)
        self.preemptions += 1

    def _leave(self, sequence: Sequence) -> None:
        self.cache.release(sequence.blocks)
        self._slots.leave(sequence.adapter)
        sequence.running = False
        sequence.blocks = []


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK_TOKENS)
