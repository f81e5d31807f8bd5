"""What one settlement lends of one limit of one tenant, until the ledger has it and the lease file may have it too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headway.policy.budget import Limit, Move, Position
from headway.store.pool import Share

__all__ = ["Lending"]


@dataclass(frozen=True, slots=True)
class Lending:
    """`lent`: (section, slot, limit, mark). `held` and `promised` by this gateway's workers, before it."""

    lent: list[tuple[int, int, Limit, int]]
    moves: Sequence[Move]
    positions: Sequence[Position]
    held: int
    promised: int

    @property
    def stirs(self) -> bool:
        """Workers should look: who waits was lent to, or somebody is asked to give back."""
        waiting = {each.worker for each in self.positions if each.wanted}
        return any(move.ask or move.worker in waiting for move in self.moves)

    @property
    def share(self) -> Share:
        """What the other gateways are told."""
        grants = {move.worker: move.grant for move in self.moves}
        unmet = [each.short for each in self.positions if each.short > grants.get(each.worker, 0)]
        return Share(self.held + sum(grants.values()), self.promised, min(unmet, default=0))
