"""What every scaling policy is: a function of what is seen, what it remembers, and the time. Pure.

Memory goes in and comes out as a value, so that a recorded decision replays exactly, a control process that was killed
goes on from what it wrote down, and one that wrote nothing down begins again with `Memory()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from headway.policy.decision import Action, Decision, Reason
from headway.policy.scaling.observation import Observation

__all__ = ["Memory", "Scaler", "Verdict", "verdict"]


@dataclass(frozen=True, slots=True)
class Memory:
    """`wanted`: (when, replicas) that were wanted before, as far as they can still matter. `changes`: (when, by how
    many) the number was changed. `since`: since when a mode lasts that a policy has (panic, activity), else None;
    `most`: the most replicas wanted in it."""

    wanted: tuple[tuple[float, int], ...] = ()
    changes: tuple[tuple[float, int], ...] = ()
    since: float | None = None
    most: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`target`: replicas that shall be there, ready and starting together. `decision.look_again` is when to ask next if
    nothing happens before; a request that comes when there is no replica is always asked about at once."""

    target: int
    decision: Decision
    memory: Memory


class Scaler(Protocol):
    """One policy with its settings; it has no state."""

    @property
    def name(self) -> str: ...

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        """`now`: seconds on any clock that does not go back."""


def verdict(
    seen: Observation,
    target: int,
    memory: Memory,
    *,
    reason: Reason,
    message: str,
    numbers: Mapping[str, float | int | str],
    look_again: float,
) -> Verdict:
    """The action follows from the target and what is there."""
    change = target - seen.present
    action = Action.START if change > 0 else Action.DRAIN if change < 0 else Action.KEEP
    counts = {"target": target, "ready": seen.ready, "starting": len(seen.starting), "draining": seen.draining}
    return Verdict(target, Decision(seen.model, action, reason, message, {**counts, **numbers}, look_again), memory)
