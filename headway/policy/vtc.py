"""Weighted Virtual Token Counters: the tenants of one priority class, who is next, and the lift after a pause. Pure.

The rule is of "Fairness in Serving Large Language Models" (OSDI'24); `fairness` says how it is used. Picking the next
one is O(log tenants): a heap whose entries are put right when they come up, so that charging a tenant costs nothing.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["CREDIT", "INPUT_WEIGHT", "OUTPUT_WEIGHT", "Flow", "Group", "Item", "Waiting"]

INPUT_WEIGHT = 1.0
OUTPUT_WEIGHT = 2.0
"""The paper's: a token written costs an engine about twice as much as one read."""
CREDIT = 8.0
"""Requests of the common size that a tenant may be ahead by when it begins to wait. The paper's lift is to the least
counter exactly: then who asks for less than their share, but in bursts as people do, waits behind a flood in each
burst. A bound in requests keeps it small beside the paper's own, which counts all tokens that run at once."""
_FADE = 0.05
SPARE = 64
"""Entries kept beyond those in use before they are swept."""

Item = TypeVar("Item", bound=Hashable)


@dataclass(slots=True)
class Waiting:
    cost: float
    size: int


@dataclass(slots=True)
class Flow(Generic[Item]):
    """One tenant in one class. `turn` breaks ties and marks its one valid entry in the heap; 0 = does not wait."""

    tenant: str
    weight: float = 1.0
    counter: float = 0.0
    turn: int = 0
    size: int = 0
    items: OrderedDict[Item, Waiting] = field(default_factory=OrderedDict)

    def starts(self) -> Iterator[tuple[Item, float]]:
        """Each that waits, with the counter at which its turn comes."""
        counter = self.counter
        for item, waiting in self.items.items():
            yield item, counter
            counter += INPUT_WEIGHT * waiting.cost / self.weight

    def start_of(self, item: Item) -> float:
        return next(start for each, start in self.starts() if each == item)


class Group(Generic[Item]):
    """The tenants of one priority. The heap holds (counter, turn, tenant) of each that waits; an entry whose counter
    has grown meanwhile is put right when it comes up, so a charge costs nothing here."""

    def __init__(self) -> None:
        self.flows: dict[str, Flow[Item]] = {}
        self.heap: list[tuple[float, int, str]] = []
        self.left_at = 0.0  # counter of the tenant that was the last to wait
        self._read = self._written = 0.0  # service of a request, as they were lately
        self.waiting = 0  # tenants that wait

    @property
    def usual(self) -> float:
        """Service that one request lately came to."""
        return self._read + self._written

    def read(self, flow: Flow[Item], tokens: float) -> None:
        """A prompt goes to an engine."""
        service = INPUT_WEIGHT * tokens
        flow.counter += service / flow.weight
        self._read += _FADE * (service - self._read)

    def written(self, flow: Flow[Item], tokens: float, weight: float) -> None:
        """An answer, or a part of one, was made."""
        service = OUTPUT_WEIGHT * tokens
        flow.counter += service / weight
        self._written += _FADE * (service - self._written)

    def least(self) -> Flow[Item] | None:
        """Who is next."""
        heap = self.heap
        while heap:
            counter, turn, tenant = heap[0]
            flow = self.flows.get(tenant)
            if flow is None or flow.turn != turn:
                heapq.heappop(heap)  # it waits no more, or has another entry
            elif flow.counter > counter:
                heapq.heapreplace(heap, (flow.counter, turn, tenant))
            else:
                return flow
        return None

    def enter(self, flow: Flow[Item], turn: int) -> None:
        """It begins to wait: lifted, so that its pause earned it no more than a little."""
        least = self.least()
        floor = least.counter if least else self.left_at
        flow.counter = max(flow.counter, floor - CREDIT * self.usual / flow.weight)
        flow.turn = turn
        self.waiting += 1
        heapq.heappush(self.heap, (flow.counter, turn, flow.tenant))

    def leave(self, flow: Flow[Item]) -> None:
        flow.turn = 0
        self.waiting -= 1
        self.left_at = flow.counter
        if len(self.heap) > SPARE + 2 * self.waiting:
            self.heap = [(f.counter, f.turn, f.tenant) for f in self.flows.values() if f.turn]
            heapq.heapify(self.heap)
        if len(self.flows) > SPARE + 2 * self.waiting:
            least = self.least()
            floor = least.counter if least else self.left_at
            # Whoever has had no more than that would be lifted to it on coming back: forgetting changes nothing.
            credit = CREDIT * self.usual
            self.flows = {name: f for name, f in self.flows.items() if f.turn or f.counter > floor - credit / f.weight}
