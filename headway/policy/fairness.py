"""Who of those that wait goes next: strict between priority classes, fair between the tenants of one class. Pure.

Within a class it is the Virtual Token Counter of "Fairness in Serving Large Language Models" (OSDI'24), weighted: each
tenant has a counter of the service it got, prompt tokens times 1 at dispatch and answer tokens times 2 as they come,
over its weight; the least counter goes first. A tenant that comes back after a pause is lifted to a few requests below
the least counter of those that wait (or of the one that left last), so that nobody saves up more than a burst needs.
Work-conserving: a tenant alone gets everything. Two tenants that both wait stay within 2 * max(1 * longest prompt, 2 *
tokens that run at once) of each other's service.

Bounded by count and bytes. When it is full, who comes takes the place of the newest one of a lower class, or of the
tenant of its own class that has most waiting; a flood fills only what others do not want.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from headway.policy.vtc import Flow, Group, Item, Waiting

__all__ = ["PRIORITIES", "FairQueue", "QueueStats"]

PRIORITIES = ("high", "normal", "low")
"""Highest first."""


@dataclass(frozen=True, slots=True)
class QueueStats:
    count: int
    size: int
    by_tenant: dict[str, int]


class FairQueue(Generic[Item]):
    """Items are whatever the caller waits with, each once. Costs are prompt tokens, sizes bytes."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._classes: tuple[Group[Item], ...] = tuple(Group() for _ in PRIORITIES)
        self._where: dict[Item, tuple[int, str]] = {}
        self._bytes = self._turn = 0

    def __len__(self) -> int:
        return len(self._where)

    def bound(self, most: int, most_bytes: int) -> None:
        """Other bounds from here on; who waits already stays."""
        self._most, self._most_bytes = most, most_bytes

    def push(
        self,
        item: Item,
        tenant: str,
        *,
        priority: str = "normal",
        cost: float = 0.0,
        weight: float = 1.0,
        size: int = 0,
    ) -> list[Item] | None:
        """None: there is no room for it. Else it waits, in the place of those that are returned: answer them."""
        if item in self._where:
            raise ValueError("it waits already")
        rank = PRIORITIES.index(priority)
        evicted = self._victims(rank, tenant, weight, size)
        if evicted is None:
            return None
        for each in evicted:
            self._take(each)
        group = self._classes[rank]
        flow = group.flows.setdefault(tenant, Flow(tenant))
        if not flow.turn:
            self._turn += 1
            group.enter(flow, self._turn)
        flow.weight = weight
        flow.items[item] = Waiting(cost, size)
        flow.size += size
        self._where[item] = (rank, tenant)
        self._bytes += size
        return evicted

    def pop(self) -> Item | None:
        """The next one, charged for its prompt."""
        for group in self._classes:
            if flow := group.least():
                item = next(iter(flow.items))
                group.read(flow, flow.items[item].cost)
                self._take(item)
                return item
        return None

    def charge(self, tenant: str, tokens: float, *, priority: str = "normal", weight: float = 1.0) -> None:
        """Answer tokens of a tenant as they come, wherever they were made; they move it back in the order."""
        if tokens < 0:
            raise ValueError("service that was had cannot be taken back")
        group = self._classes[PRIORITIES.index(priority)]
        group.written(group.flows.setdefault(tenant, Flow(tenant)), tokens, weight)

    def remove(self, item: Item) -> bool:
        """Its caller has left; False when it did not wait."""
        if item not in self._where:
            return False
        self._take(item)
        return True

    def position(self, item: Item) -> int | None:
        """How many go before it if nobody else comes and nothing is charged; None when it does not wait."""
        if item not in self._where:
            return None
        rank, tenant = self._where[item]
        before = sum(len(flow.items) for group in self._classes[:rank] for flow in group.flows.values())
        own = self._classes[rank].flows[tenant]
        mine = own.start_of(item)
        for flow in self._classes[rank].flows.values():
            for each, start in flow.starts():
                if each == item or (start, flow.turn) > (mine, own.turn):
                    break
                before += 1
        return before

    def ahead(self, priority: str) -> int:
        """How many wait in this class and those above it: at most so many go before one who comes now."""
        groups = self._classes[: PRIORITIES.index(priority) + 1]
        return sum(len(flow.items) for group in groups for flow in group.flows.values())

    def counters(self, priority: str = "normal") -> dict[str, float]:
        """The service that each tenant is counted for."""
        return {name: flow.counter for name, flow in self._classes[PRIORITIES.index(priority)].flows.items()}

    def stats(self) -> QueueStats:
        by_tenant: dict[str, int] = {}
        for _, tenant in self._where.values():
            by_tenant[tenant] = by_tenant.get(tenant, 0) + 1
        return QueueStats(len(self._where), self._bytes, by_tenant)

    def _take(self, item: Item) -> None:
        rank, tenant = self._where.pop(item)
        group = self._classes[rank]
        flow = group.flows[tenant]
        waited = flow.items.pop(item)
        flow.size -= waited.size
        self._bytes -= waited.size
        if not flow.items:
            group.leave(flow)

    def _victims(self, rank: int, tenant: str, weight: float, size: int) -> list[Item] | None:
        """Whose places are taken so that one more of `size` bytes fits; None when nobody has to make room for it."""
        count, held = len(self._where) + 1, self._bytes + size
        if count <= self._most and held <= self._most_bytes:
            return []
        own = self._classes[rank].flows.get(tenant)
        share = self._share(len(own.items) + 1 if own else 1, (own.size if own else 0) + size, weight)
        others = _Shrinking.of(self._classes, rank, own)
        victims: list[Item] = []
        while count > self._most or held > self._most_bytes:
            # The lowest class first; in it the tenant with the largest share of what is scarce.
            other = max(others, key=lambda o: (o.rank, self._share(o.count, o.size, o.weight)), default=None)
            if other is None or (other.rank == rank and self._share(other.count, other.size, other.weight) <= share):
                return None
            item, freed = other.drop_newest()
            victims.append(item)
            count, held = count - 1, held - freed
            if not other.count:
                others.remove(other)
        return victims

    def _share(self, count: int, size: int, weight: float) -> float:
        return max(count / self._most, size / self._most_bytes) / weight


class _Shrinking(Generic[Item]):
    """A tenant that waits, as it would be without its newest ones; nothing is taken yet."""

    def __init__(self, rank: int, flow: Flow[Item]) -> None:
        self.rank, self.weight = rank, flow.weight
        self.count, self.size = len(flow.items), flow.size
        self._newest = iter(reversed(flow.items.items()))

    @classmethod
    def of(cls, classes: tuple[Group[Item], ...], rank: int, own: Flow[Item] | None) -> list[_Shrinking[Item]]:
        """Those who may have to make room for the class `rank`."""
        return [
            cls(each, flow)
            for each in range(rank, len(classes))
            for flow in classes[each].flows.values()
            if flow.items and flow is not own
        ]

    def drop_newest(self) -> tuple[Item, int]:
        item, waiting = next(self._newest)
        self.count, self.size = self.count - 1, self.size - waiting.size
        return item, waiting.size
