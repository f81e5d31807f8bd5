"""Conditions of an object in the standard form (Kubernetes API conventions, "Typical status properties").

    Ready        it answers                    False: the message says why not, and what to do
    Progressing  something moves               the reason says towards what
    Degraded     somebody should look at it    the message ends with the next action

`Ready` with `Degraded` is a Model that serves with fewer Replicas than it shall.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.policy.decision import Reason
from headway.wire.kube.manifest import Manifest

__all__ = ["Condition", "conditions_of", "is_true", "turned", "written"]

LONGEST = 4000
"""Characters of a message: a page for people, not a log."""


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    is_true: bool
    reason: Reason
    message: str = ""
    next_action: str = ""

    @property
    def text(self) -> str:
        return "; ".join(filter(None, (self.message, self.next_action)))[:LONGEST]


def written(conditions: Iterable[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: str) -> Any:
    """As the API has them. `before`: what is there, whose times stay while the status does; `now`: RFC 3339."""
    since = {each["type"]: (each["status"], each.get("lastTransitionTime", now)) for each in before}
    return [_written(each, since.get(each.type, ("", now)), generation, now) for each in conditions]


def _written(each: Condition, before: tuple[str, str], generation: int, now: str) -> dict[str, Any]:
    status = "True" if each.is_true else "False"
    return {
        "type": each.type,
        "status": status,
        "reason": each.reason.value,
        "message": each.text,
        "observedGeneration": generation,
        "lastTransitionTime": before[1] if before[0] == status else now,
    }


def conditions_of(manifest: Manifest) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = (manifest.get("status") or {}).get("conditions") or ()
    return found


def is_true(manifest: Manifest, of_type: str) -> bool:
    return any(each["type"] == of_type and each["status"] == "True" for each in conditions_of(manifest))


def turned(conditions: Iterable[Condition], before: Sequence[Mapping[str, Any]]) -> list[Condition]:
    """Those that are worth an event: it answers now, or no more; it is degraded, for this reason, or no more. How it
    comes to answer is told by the condition alone."""
    was = {each["type"]: (each["status"] == "True", each["reason"]) for each in before}
    return [each for each in conditions if _is_news(each, *was.get(each.type, (False, "")))]


def _is_news(each: Condition, was_true: bool, reason: str) -> bool:
    if each.type == "Degraded" and each.is_true and was_true:
        return each.reason != reason
    return each.type in ("Ready", "Degraded") and each.is_true != was_true
