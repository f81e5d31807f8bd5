"""Which sequences the next step takes, by the rules of vLLM v1's scheduler.

    1. each sequence that decodes: one token; when a block is missing, the newest that runs is put out and will be
       computed anew (preemption by recompute)
    2. prompts under way: as much as the step's token budget has left (chunked prefill)
    3. who waits, first come first served, while there are places, budget and blocks; nobody after a preemption

(vllm/v1/core/sched/scheduler.py, as of version 0.11. Not modelled: priorities, speculative tokens, encoder inputs.)
"""

from __future__ import annotations

from collections import deque

from headway.perf.batching.blocks import Blocks, Node
from headway.perf.batching.decoding import Decoding
from headway.perf.batching.sequence import Request, Sequence
from headway.perf.step.shape import Limits

__all__ = ["Scheduler", "Work"]


class Work:
    """What a step computes. `chunks`: those of whose prompts it computes a part; `finishing`: the last part."""

    __slots__ = ("attended", "chunks", "decodes", "finishing", "new")

    def __init__(self, decodes: int) -> None:
        self.decodes, self.new, self.attended = decodes, 0, 0.0
        self.chunks: list[Sequence] = []
        self.finishing: list[Sequence] = []

    def add(self, sequence: Sequence, tokens: int) -> None:
        sequence.chunk = tokens
        self.new += tokens
        self.attended += tokens * (sequence.computed + tokens / 2)
        self.chunks.append(sequence)
        if sequence.computed + tokens == sequence.target:
            self.finishing.append(sequence)


class Scheduler:
    """`put_out`: whom the last `compose` preempted; `ended`: who had all after the last `done`, to be cleared."""

    def __init__(self, limits: Limits, *, prefix_cache: bool) -> None:
        self.blocks = Blocks(limits.kv_tokens // limits.block)
        self.decoding = Decoding(limits.block)
        self.running: dict[Sequence, None] = {}  # oldest first
        self.waiting: deque[Sequence] = deque()
        self.put_out: list[Sequence] = []
        self.ended: list[Sequence] = []
        self.preemptions = 0
        self._prefilling: dict[Sequence, None] = {}
        self._block, self._seats, self._budget = limits.block, limits.most_sequences, limits.token_budget
        self._caches = prefix_cache

    def sequence(self, request: Request) -> Sequence:
        sequence = Sequence(request, request.prompt)
        if self._caches:
            sequence.plan(self._block)
        return sequence

    def wait(self, sequence: Sequence) -> bool:
        """It lines up. True: the next step may take it, so a run of steps must not go past it."""
        self.waiting.append(sequence)
        return len(self.waiting) == 1 and len(self.running) < self._seats and self.decoding.count < self._budget

    # a step begins

    def compose(self) -> Work | None:
        """None: there is nothing to compute."""
        self.put_out = []
        while (own := self.decoding.next_needed) > self.blocks.free:
            self._preempt(next(reversed(self.running)))
        work = Work(self.decoding.count)
        budget = self._budget - work.decodes
        held = self.blocks.free - own  # blocks that may go to prompts
        for sequence in tuple(self._prefilling):
            if budget <= 0:
                break
            if sequence not in self._prefilling:
                continue
            tokens = min(sequence.target - sequence.computed, budget)
            need = self._need(sequence, tokens)
            while need > held and sequence in self.running:
                self._preempt(next(reversed(self.running)))
                held = self.blocks.free - self.decoding.next_needed
            if sequence in self.running:
                self._compute(sequence, tokens, need, work)
                held -= need
                budget -= tokens
        work.decodes = self.decoding.count
        if not self.put_out:
            self._admit(work, budget, held)
        return work if work.decodes or work.chunks else None

    def _admit(self, work: Work, budget: int, held: int) -> None:
        while self.waiting and budget > 0 and len(self.running) < self._seats:
            sequence = self.waiting[0]
            brought = 0 if sequence.written else sequence.request.brought
            match = None
            if self._caches and not brought:
                match = self.blocks.find(sequence.runs, (sequence.target - 1) // self._block)
            found = match.blocks if match else 0
            computed = brought or found * self._block
            tokens = min(sequence.target - computed, budget)
            need = -(-(computed + tokens) // self._block) - found
            if need + (match.free if match else 0) > held:
                return
            self.waiting.popleft()
            self.running[sequence] = self._prefilling[sequence] = None
            sequence.computed = computed
            if match:
                sequence.node = self.blocks.hold(match)
                sequence.kept = found
                sequence.place = sequence.at_block(found)
                held -= match.free
            if sequence.cached < 0:
                sequence.cached = sequence.computed
            self._compute(sequence, tokens, need, work)
            held -= need
            budget -= tokens

    def _need(self, sequence: Sequence, tokens: int) -> int:
        """New blocks for so many more tokens of its prompt."""
        return -(-(sequence.computed + tokens) // self._block) - sequence.blocks(self._block)

    def _compute(self, sequence: Sequence, tokens: int, need: int, work: Work) -> None:
        """Its blocks can be found from here on: who comes to the same step uses them, as in vLLM."""
        self.blocks.take(need)
        work.add(sequence, tokens)
        if sequence.node is not None:
            self._tell(sequence, sequence.node, (sequence.computed + tokens) // self._block)

    def _tell(self, sequence: Sequence, node: Node, upto: int) -> None:
        for (key, _), skip, blocks in sequence.untold(upto):
            child = self.blocks.extend(node, key, skip, blocks)
            if child is None:
                sequence.place = None
                return
            sequence.node = node = child
            sequence.kept += blocks

    def _preempt(self, sequence: Sequence) -> None:
        self.take_off(sequence)
        self.put_out.append(sequence)
        self.preemptions += 1
        self.waiting.appendleft(sequence)
        sequence.target, sequence.computed = sequence.request.prompt + sequence.written, 0
        if self._caches:
            sequence.plan(self._block)

    # a step ends

    def done(self, work: Work, steps: int) -> list[Sequence]:
        """So many steps like this one were done. Who began to decode; who has all is in `ended`."""
        if work.decodes:
            self.blocks.take(self.decoding.needed(steps))
            self.ended = self.decoding.advance(steps)
        for sequence in self.ended:
            self._free(sequence)
        for sequence in work.chunks:
            sequence.computed += sequence.chunk
            sequence.chunk = 0
        for sequence in work.finishing:
            del self._prefilling[sequence]
            sequence.written += 1
            if sequence.written == sequence.request.output:
                self.ended.append(sequence)
                self._free(sequence)
            else:
                self.decoding.join(sequence)
        return work.finishing

    def take_off(self, sequence: Sequence) -> None:
        """It runs no more."""
        if sequence.joined >= 0:
            self.decoding.leave(sequence)
        else:
            self._prefilling.pop(sequence, None)
        self._free(sequence)

    def forget(self, sequence: Sequence) -> None:
        """It does not wait any more either."""
        if sequence in self.waiting:
            self.waiting.remove(sequence)

    def _free(self, sequence: Sequence) -> None:
        """Its blocks go back: those of whole text can be found again."""
        del self.running[sequence]
        held = sequence.blocks(self._block)
        if sequence.node is None:
            self.blocks.give(held)
            return
        whole = sequence.computed // self._block
        if whole > sequence.kept and sequence.place is not None:
            self._tell_answer(sequence, sequence.node, whole)
        self.blocks.give(held - whole)
        if rest := whole - sequence.kept:
            self.blocks.keep(sequence.node, rest)
        self.blocks.leave(sequence.node)
        sequence.node = None

    def _tell_answer(self, sequence: Sequence, node: Node, whole: int) -> None:
        """What it wrote is in the cache, too: for itself, if it was put out, and for its session's next turn."""
        if sequence.request.answer or sequence.written < sequence.request.output:
            sequence.runs = sequence.text(self._block)
            sequence.place = sequence.at_block(sequence.kept)
            self._tell(sequence, node, whole)
