"""A fixed number of replicas: what most people run."""

from __future__ import annotations

from dataclasses import dataclass

from headway.policy.decision import Reason
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.room import within
from headway.policy.scaling.scaler import Memory, Verdict, verdict

__all__ = ["Fixed"]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A Scaler."""

    replicas: int
    look: float = 60.0
    name: str = "fixed"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        del now
        target, barred = within(seen, self.replicas)
        message = f"{target}, whatever comes"
        return verdict(
            seen, target, memory, reason=barred or Reason.ENOUGH, message=message, numbers={}, look_again=self.look
        )
