"""What a model's answers have taught, kept whatever tables come and go."""

from __future__ import annotations

from headway.policy.retry_budget import RetryBudget
from headway.policy.speed import ModelSpeed, Sizes

__all__ = ["Learned"]


class Learned:
    """`speed`: what its endpoints have in common; `sizes`: of its prompts and answers; `retries`: those it has had."""

    __slots__ = ("retries", "sizes", "speed")

    def __init__(self) -> None:
        self.speed, self.sizes, self.retries = ModelSpeed(), Sizes(), RetryBudget()
