"""A replica driven by itself: requests at their times, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from headway.perf.batching import Event, Replica, Request
from headway.perf.step.shape import Limits

__all__ = ["Affine", "drive", "small"]


@dataclass(frozen=True)
class Affine:
    """A StepTime. Seconds of any step, of a prompt token, a pair that attends, a sequence, a token of context."""

    step: float = 0.01
    token: float = 1e-4
    pair: float = 1e-9
    sequence: float = 1e-4
    context: float = 1e-7

    def seconds(self, new: int, attended: float, finishing: int, decodes: int, context: float) -> float:
        return (
            self.step
            + self.token * new
            + self.pair * attended
            + self.sequence * (finishing + decodes)
            + self.context * context
        )

    def growth(self, decodes: int) -> float:
        del decodes
        return self.context


def small(blocks: int = 40, block: int = 4, sequences: int = 6, budget: int = 32) -> Limits:
    return Limits(blocks * block, block, sequences, budget)


def drive(replica: Replica, offers: Iterable[tuple[float, Request]]) -> list[Event]:
    """All that happens until the last request has ended. `offers` in the order of their times."""
    found: list[Event] = []
    for at, request in offers:
        found += replica.advance(at)
        replica.offer(request, at)
    while (at := replica.next_event()) < inf:
        found += replica.advance(at)
    return found
