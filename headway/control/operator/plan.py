"""What one pass wants done about one object: made by pure functions, carried out by `apply`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.control.operator.conditions import Condition
from headway.control.operator.events import Told
from headway.policy.decision import Reason
from headway.wire.kube.manifest import Manifest, Ref

__all__ = ["Apply", "End", "Plan", "Scale"]


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply. `why`: for the log and the event; `repairs`: it puts back what somebody else changed."""

    manifest: Manifest
    why: str
    repairs: bool = False
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """Only the number of Replicas of a workload; nothing else of it is touched."""

    workload: Ref
    count: int
    wanted: int  # what the Model asks for now, to know its next wish from this one
    why: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class End:
    """`uid`: that very object, not one of the same name that was made since."""

    of: Ref
    uid: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`finalizers`: what the object's own shall be (None = as they are); they come before all else when added,
    and after all else when taken off. `look_again`: seconds, None = when something changes."""

    apply: tuple[Apply, ...] = ()
    scale: tuple[Scale, ...] = ()
    end: tuple[End, ...] = ()
    conditions: tuple[Condition, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)  # besides the conditions
    events: tuple[Told, ...] = ()
    finalizers: tuple[str, ...] | None = None
    look_again: float | None = None
