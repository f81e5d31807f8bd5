"""The sequences of a replica that get one token a step, as sums: a run of steps costs no work for each of them.

Each is written down by the step at which it joined. What a step needs of all of them follows from a few counts: tokens
of context, the step at which the next one ends, and how many need a new block at each step (one in `block` steps, by
the place of their last token in its block).
"""

from __future__ import annotations

import heapq

from headway.perf.batching.sequence import Sequence

__all__ = ["Decoding"]


class Decoding:
    """`step` counts the steps done; `context` is what all of them have computed together."""

    def __init__(self, block: int) -> None:
        self.step = self.count = self.context = 0
        self._block = block
        self._needing = [0] * block  # sequences by the step (modulo block) at which they need a new one
        self._ends: list[tuple[int, int, Sequence]] = []
        self._joins = 0

    def join(self, sequence: Sequence) -> None:
        """It has all of its prompt computed and the next token written; more than one is to come."""
        sequence.joined = self.step
        sequence.ends = self.step + sequence.request.output - sequence.written
        self.count += 1
        self.context += sequence.computed
        self._needing[(self.step - sequence.computed) % self._block] += 1
        self._joins += 1  # who was put out may come again with the same end
        heapq.heappush(self._ends, (sequence.ends, self._joins, sequence))

    def leave(self, sequence: Sequence) -> None:
        """With what it has computed and written until now."""
        self._needing[(sequence.joined - sequence.computed) % self._block] -= 1
        done = self.step - sequence.joined
        sequence.computed += done
        sequence.written += done
        sequence.joined = -1
        self.count -= 1
        self.context -= sequence.computed

    def advance(self, steps: int) -> list[Sequence]:
        """So many steps are done; those that have all of their answer now, who leave."""
        self.step += steps
        self.context += steps * self.count
        ended: list[Sequence] = []
        while self._ends and self._ends[0][0] <= self.step:
            ends, _, sequence = heapq.heappop(self._ends)
            if sequence.joined >= 0 and sequence.ends == ends:
                self.leave(sequence)
                ended.append(sequence)
        return ended

    def until_end(self) -> int:
        """Steps until the next one has all of its answer. There must be one."""
        while True:
            ends, _, sequence = self._ends[0]
            if sequence.joined >= 0 and sequence.ends == ends:
                return ends - self.step
            heapq.heappop(self._ends)

    @property
    def next_needed(self) -> int:
        """New blocks that all of them take in one step."""
        return self._needing[self.step % self._block]

    def needed(self, steps: int) -> int:
        """New blocks that all of them take in so many steps."""
        cycles, rest = divmod(steps, self._block)
        found = cycles * self.count
        if rest:
            first = self.step % self._block
            found += sum(self._needing[first : first + rest])
            if (over := first + rest - self._block) > 0:
                found += sum(self._needing[:over])
        return found

    def bearable(self, steps: int, free: int) -> int:
        """How many of these steps can be done with so many free blocks."""
        if (steps // self._block + 1) * self.count <= free or self.needed(steps) <= free:
            return steps
        cycles = min(steps // self._block, free // self.count)
        done, left = cycles * self._block, free - cycles * self.count
        while done < steps and (need := self._needing[(self.step + done) % self._block]) <= left:
            left -= need
            done += 1
        return done
