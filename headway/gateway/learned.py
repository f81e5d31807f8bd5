"""What a model's answers have taught, kept whatever tables come and go."""

from __future__ import annotations

from headway.policy.speed import ModelSpeed, Sizes

__all__ = ["Learned"]


class Learned:
    """`speed`: what its endpoints have in common; `sizes`: of its prompts and answers."""

    __slots__ = ("sizes", "speed")

    def __init__(self) -> None:
        self.speed, self.sizes = ModelSpeed(), Sizes()
