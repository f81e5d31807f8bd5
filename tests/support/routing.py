"""Endpoints as routing sees them, for tests; and a prefix index that is plainly right."""

from __future__ import annotations

import random
from collections.abc import Sequence

from headway.policy.prefix import BOUNDARIES
from headway.policy.routing import Elsewhere
from headway.policy.speed import ModelSpeed, Speed

__all__ = ["PlainIndex", "Site", "dice", "fleet"]


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


class Site:
    """Satisfies `routing.Candidate`."""

    def __init__(self, number: int, speed: Speed) -> None:
        self.id, self.slot, self.speed = f"e{number}", number, speed
        self.running, self.pending_tokens, self.context_tokens = 0, 0.0, 0.0
        self.seats, self.kv_tokens, self.adapter_load = 0, 0, 0.5
        self.adapters: frozenset[str] | None = None
        self.elsewhere = Elsewhere()
        self.since, self.cooling_until, self.weight = -1e9, 0.0, 1.0


def fleet(count: int, model: ModelSpeed | None = None) -> list[Site]:
    model = model or ModelSpeed()
    return [Site(number, model.endpoint()) for number in range(count)]


class PlainIndex:
    """Every prefix of every prompt that an endpoint was sent, for ever."""

    def __init__(self) -> None:
        self._held: dict[int, set[int]] = {}

    def insert(self, chain: Sequence[int], slot: int) -> bool:
        held = self._held.setdefault(slot, set())
        new = not held.issuperset(chain)
        held.update(chain)
        return new

    def forget(self, slot: int) -> None:
        self._held.pop(slot, None)

    def match(self, chain: Sequence[int], slots: Sequence[int]) -> list[float]:
        return [float(BOUNDARIES[self._blocks(chain, self._held.get(slot, set()))]) for slot in slots]

    @staticmethod
    def _blocks(chain: Sequence[int], held: set[int]) -> int:
        return next((at for at, block in enumerate(chain) if block not in held), len(chain))
