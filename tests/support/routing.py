"""For tests of routing: chance, and a prefix index that is plainly right."""

from __future__ import annotations

import random
from collections.abc import Sequence

from headway.policy.prefix import BOUNDARIES

__all__ = ["PlainIndex", "dice"]


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


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
