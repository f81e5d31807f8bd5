"""What requests ask of replicas, in replica-seconds by slot of time: the common ground of bounds and plan."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["Ask", "Asks"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `prompt`, `answer`: replica-seconds that they take; `lasts`: seconds in which its answer's tokens
    come one after another, at the pace of a busy replica."""

    at: float
    prompt: float
    answer: float
    lasts: float

    @property
    def work(self) -> float:
        return self.prompt + self.answer


@dataclass(frozen=True, slots=True)
class Asks:
    """All of them, over `seconds`; what is said of answers after that is nobody's, and the last prompts have their
    patience as all others. `patience`: seconds that work may wait (the SLO's time to first token); `slot`: seconds."""

    requests: Sequence[Ask]
    seconds: float
    patience: float
    slot: float = 1.0

    @property
    def slots(self) -> int:
        """With those in which the last prompts may still be computed."""
        return self.open + self.delay

    @property
    def open(self) -> int:
        """Those in which requests come."""
        return max(1, math.ceil(self.seconds / self.slot))

    @property
    def delay(self) -> int:
        """Patience in whole slots."""
        return max(0, math.floor(self.patience / self.slot))

    def released(self, without: Collection[int] = ()) -> list[float]:
        """Replica-seconds by the slot from which on they can be worked off: a prompt when it comes, an answer evenly
        while its tokens come. `without`: numbers of requests that are left out."""
        count, slot = self.open, self.slot
        at_once, rates = [0.0] * (count + 1), [0.0] * (count + 2)
        for number, each in enumerate(self.requests):
            if number in without:
                continue
            first = int(each.at / slot)
            if first >= count:
                continue
            at_once[first] += each.prompt
            slots = max(1, round(each.lasts / slot))
            rates[first] += each.answer / slots
            rates[min(first + slots, count + 1)] -= each.answer / slots
        found = [max(0.0, one + rate) for one, rate in zip(at_once[:count], accumulate(rates[:count]), strict=True)]
        return [*found, *([0.0] * self.delay)]

    def dearest(self, share: float) -> float:
        """Replica-seconds of this share of the requests, those that take the most."""
        most = sorted((each.work for each in self.requests), reverse=True)
        return sum(most[: math.floor(share * len(most))])
