"""What is kept of a model whatever tables come and go: what its answers have taught, and whose turn it is."""

from __future__ import annotations

import random

from headway.policy.retry_budget import RetryBudget
from headway.policy.speed import ModelSpeed, Sizes

__all__ = ["Learned"]


class Learned:
    """`speeds`: what the endpoints of each of its variants have in common; `sizes`: of its prompts and answers;
    `retries`: those it has had; `turn` counts its requests. Each model counts its own: were they counted together, two
    that are asked in turn would each see every other number, and half of their endpoints."""

    __slots__ = ("retries", "sizes", "speeds", "turn")

    def __init__(self) -> None:
        self.speeds: dict[str, ModelSpeed] = {}
        self.sizes, self.retries = Sizes(), RetryBudget()
        self.turn = random.getrandbits(32)

    def next_turn(self) -> int:
        self.turn += 1
        return self.turn

    def speed(self, variant: str) -> ModelSpeed:
        return self.speeds.setdefault(variant, ModelSpeed())
