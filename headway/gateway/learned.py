"""What a model's answers have taught, kept whatever tables come and go."""

from __future__ import annotations

from headway.policy.retry_budget import RetryBudget
from headway.policy.speed import ModelSpeed, Sizes

__all__ = ["Learned"]


class Learned:
    """`speeds`: what the endpoints of each of its variants have in common; `sizes`: of its prompts and answers;
    `retries`: those it has had."""

    __slots__ = ("retries", "sizes", "speeds")

    def __init__(self) -> None:
        self.speeds: dict[str, ModelSpeed] = {}
        self.sizes, self.retries = Sizes(), RetryBudget()

    def speed(self, variant: str) -> ModelSpeed:
        return self.speeds.setdefault(variant, ModelSpeed())
