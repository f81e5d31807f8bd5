"""What a model's answers have taught, kept whatever tables come and go."""

from __future__ import annotations

from headway.policy.speed import ModelSpeed, Sizes

__all__ = ["Learned"]


class Learned:
    """`speeds`: what the endpoints of each of its variants have in common; `sizes`: of its prompts and answers."""

    __slots__ = ("sizes", "speeds")

    def __init__(self) -> None:
        self.speeds: dict[str, ModelSpeed] = {}
        self.sizes = Sizes()

    def speed(self, variant: str) -> ModelSpeed:
        return self.speeds.setdefault(variant, ModelSpeed())
