"""The hub's part in caches of answers: the shelves of all models, and who waits for whom.

One store for all workers of a host, in the hub's memory: an answer that one worker brought is found by all of them,
equal requests meet here whichever worker took them, and the bound on memory is one number. A worker that dies in the
middle of bringing something brought nothing, because a frame counts only when it is whole. Nothing is written to disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from headway.gateway.frames import Frame, Look, Looked, Shelve, Shelved
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.flights import Flights
from headway.policy.shelf import Shelf

__all__ = ["ShelfFigures", "Vault", "shelf_rules"]

WAITING_MOST = 1024
"""Equal requests that wait for one; more go to the engine themselves."""
SWEEP_SECONDS = 1.0
"""An answer is not given when it is too old, and a second later it is out of memory too."""


class Worker(Protocol):
    def tell(self, frame: Frame) -> None: ...


Who = tuple[Worker, int]


@dataclass(frozen=True, slots=True)
class ShelfFigures:
    model: str
    cache: str
    entries: int
    bytes: int
    evicted: int
    expired: int


def shelf_rules(caches: Iterable[tuple[str, CacheRules | None]]) -> dict[str, CacheRule]:
    """Of (name, its caches): the rule of each shelf, by the shelf's name."""
    found: dict[str, CacheRule | None] = {}
    for name, rules in caches:
        if rules is not None:
            found |= {f"{name}/responses": rules.responses, f"{name}/embeddings": rules.embeddings}
    return {name: rule for name, rule in found.items() if rule is not None}


class Vault:
    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._shelves: dict[str, Shelf[Shelved]] = {}
        self._flights: Flights[Who] = Flights(WAITING_MOST)
        self._looks: dict[Who, Look] = {}  # of those who wait

    def use(self, rules: Mapping[str, CacheRule]) -> None:
        """The caches of a new table. One that it has no more is emptied; sizes and times change at once."""
        self._shelves = {name: shelf for name, shelf in self._shelves.items() if name in rules}
        for name, rule in rules.items():
            if name in self._shelves:
                self._shelves[name].resize(rule.size, rule.ttl)
            else:
                self._shelves[name] = Shelf(rule.size, rule.ttl)

    def look(self, worker: Worker, look: Look) -> None:
        who = (worker, look.number)
        said = self._find(look)
        if _is_whole(said):
            worker.tell(said)
            return
        said.role = self._flights.join(look.flight, who, waits=look.waits)
        if said.role == "wait":
            self._looks[who] = look
            said.found = []
        worker.tell(said)

    def shelve(self, worker: Worker, shelve: Shelve) -> None:
        """A Look is over: keep what it brought, and tell those who waited for it."""
        shelf, now = self._shelves.get(shelve.shelf), self._time()
        if shelf is not None:
            for each in shelve.brought:
                shelf.put(each.key, each, len(each.body) + len(each.identity), now)
        who = (worker, shelve.number)
        if shelve.again:
            self._leave(who)
            return
        for waiting in self._flights.land(who):
            waiting[0].tell(self._find(self._looks.pop(waiting)))

    def gone(self, worker: Worker) -> None:
        """It is dead: whom it led are led by another."""
        for who in self._flights.everyone():
            if who[0] is worker:
                self._leave(who)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self._time()
            for shelf in self._shelves.values():
                shelf.sweep(now)

    def figures(self) -> list[ShelfFigures]:
        return [
            ShelfFigures(model, cache, len(shelf), shelf.bytes, shelf.evicted, shelf.expired)
            for (model, _, cache), shelf in ((name.rpartition("/"), shelf) for name, shelf in self._shelves.items())
        ]

    def _find(self, look: Look) -> Looked:
        shelf, now = self._shelves.get(look.shelf), self._time()
        found: list[Shelved | None] = []
        oldest = 0.0
        for key in look.keys:
            there = shelf.get(key, now) if shelf is not None else None
            if there is None or there[0].identity not in look.identities or _is_over(look.youngest, there[1]):
                found.append(None)
            else:
                found.append(there[0])
                oldest = max(oldest, there[1])
        return Looked(look.number, "go", found, oldest)

    def _leave(self, who: Who) -> None:
        self._looks.pop(who, None)
        leader = self._flights.leave(who)
        if leader is not None:
            said = self._find(self._looks.pop(leader))
            said.role = "lead"
            leader[0].tell(said)


def _is_over(youngest: float | None, age: float) -> bool:
    return youngest is not None and age > youngest


def _is_whole(said: Looked) -> bool:
    return bool(said.found) and None not in said.found
