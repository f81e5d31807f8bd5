"""What one search is asked: the file's wishes, the load, the limits, how careful to be, and by which constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headway.perf.catalog.architecture import Architecture
from headway.perf.constants import Constants, constants
from headway.perf.plan.asked import Asked
from headway.perf.plan.capacity import Performance
from headway.perf.plan.checkpoint import Quality
from headway.perf.plan.demand import Demand
from headway.perf.plan.goal import Goal
from headway.perf.setting import EngineFamily, Setting

__all__ = ["HEAD_ROOM", "Question", "Terms"]

HEAD_ROOM = 0.2
"""The load may be so much more than was said, and the limits are still kept."""
BLOCK = 1024
"""The longest request is rounded up to a multiple of so many tokens."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How careful the plan is: head-room, one replica more, and how far weights may be from those published."""

    head_room: float = HEAD_ROOM
    n_plus_1: bool = False
    quality: Quality = "8bit"


def _shipped(_: Setting) -> Constants:
    return constants()


@dataclass(frozen=True, slots=True)
class Question:
    """`memory_share`: of an accelerator's memory, what the engine takes where the file does not say it. `constants`: of
    `by`, for a setting."""

    asked: Asked
    demand: Demand
    goal: Goal
    terms: Terms
    engine: EngineFamily
    memory_share: float
    by: Performance
    constants: Callable[[Setting], Constants] = _shipped

    @property
    def load(self) -> float:
        """At the peak, with head-room."""
        return self.demand.peak * (1 + self.terms.head_room)

    def context(self, model: Architecture) -> int:
        """The longest request that is to be taken: vLLM does not start when it has no room for one of them."""
        longest = self.asked.context or -(-self.demand.lengths.longest // BLOCK) * BLOCK
        return min(longest, model.context or longest)
