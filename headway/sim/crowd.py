"""Replicas that compute on the same cores: a step takes longer while others are at work.

Beside the share that is fitted (memory and caches that they have in common), threads beyond the cores take turns. A
step's length is fixed when it begins, by who is at work then; runs of steps are not jumped over.
"""

from __future__ import annotations

from headway.perf.batching import Replica
from headway.perf.cores import crowded
from headway.perf.step.shape import StepTime
from headway.sim.fleet import Shared

__all__ = ["Crowd", "Crowded"]


class Crowd:
    """All replicas of one Model on one machine."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._members: list[tuple[Crowded, Replica]] = []

    def joins(self, step: Crowded, replica: Replica) -> None:
        self._members.append((step, replica))

    def leaves(self, replica: Replica) -> None:
        self._members = [each for each in self._members if each[1] is not replica]

    def factor(self, one: Crowded) -> float:
        """By which a step of that one takes longer than alone, now."""
        shared = self._shared
        others = sum(step is not one and not replica.idle for step, replica in self._members)
        return crowded(others, shared.slower, shared.threads / max(1, shared.cores))


class Crowded:
    """A StepTime of one replica in a Crowd."""

    __slots__ = ("_crowd", "_step")

    def __init__(self, step: StepTime, crowd: Crowd) -> None:
        self._step, self._crowd = step, crowd

    def seconds(self, new: int, attended: float, finishing: int, decodes: int, context: float) -> float:
        return self._step.seconds(new, attended, finishing, decodes, context) * self._crowd.factor(self)

    def growth(self, decodes: int) -> float:
        """Of a step alone: runs are not jumped over in a Crowd."""
        return self._step.growth(decodes)
