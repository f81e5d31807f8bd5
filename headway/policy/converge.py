"""What is wanted and what runs -> what to start and what to drain. Pure; the reconcile loop applies it.

A Model has one wanted Revision, or one for each Variant. Rules, in order:
1. A Replica of a Model that is not wanted leaves.
2. Of each wanted Revision there shall be `count`; too many leave: not ready first, then least busy, then youngest.
3. Replicas of older Revisions leave only as the new ones become ready, so that ready capacity never falls below `count`
   by our own doing; one that is not ready leaves at once.
4. Unless the new ones wait for the very memory or GPU that the old ones hold: then old ones make room one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headway.policy.decision import Action, Decision, Reason

__all__ = ["Facts", "Plan", "Want", "decide"]


@dataclass(frozen=True, slots=True)
class Want:
    model: str
    revision: str
    count: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One Replica as it was observed. `leaving`: a DRAIN was decided before; `running`: requests in it now."""

    name: str
    model: str
    revision: str
    ready: bool
    leaving: bool = False
    running: int = 0
    started: float = 0.0
    waits_for_room: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """`ensure`: what to want of the Site; `drain`: Replicas that leave; `decisions`: the same, with reasons."""

    ensure: tuple[Want, ...]
    drain: tuple[str, ...]
    decisions: tuple[Decision, ...]


def decide(wants: Iterable[Want], replicas: Iterable[Facts]) -> Plan:
    wanted: dict[str, list[Want]] = {}
    for want in wants:
        wanted.setdefault(want.model, []).append(want)
    by_model: dict[str, list[Facts]] = {}
    for replica in replicas:
        if not replica.leaving:
            by_model.setdefault(replica.model, []).append(replica)
    decisions: list[Decision] = []
    for model in sorted(wanted.keys() | by_model.keys()):
        present = by_model.get(model, [])
        if model not in wanted:
            decisions += [_drain(each, Reason.NOT_WANTED, f"{model} is not wanted any more") for each in present]
        else:
            decisions += _for_model(wanted[model], present)
    drained = tuple(each.object for each in decisions if each.action is Action.DRAIN)
    return Plan(tuple(each for name in sorted(wanted) for each in wanted[name]), drained, tuple(decisions))


def _for_model(wants: Sequence[Want], present: Sequence[Facts]) -> list[Decision]:
    revisions = {want.revision for want in wants}
    old = [each for each in present if each.revision not in revisions]
    decisions = [made for want in wants for made in _enough(want, present, old)]
    return decisions + _old_leave(wants, [each for each in present if each.revision in revisions], old)


def _enough(want: Want, present: Sequence[Facts], old: Sequence[Facts]) -> list[Decision]:
    """Of one wanted Revision as many as are wanted."""
    new = [each for each in present if each.revision == want.revision]
    decisions: list[Decision] = []
    if len(new) < want.count:
        reason = Reason.NEW_REVISION if old else Reason.TOO_FEW_REPLICAS
        numbers: dict[str, float | int | str] = {"wanted": want.count, "present": len(new), "revision": want.revision}
        message = f"{want.count} wanted of revision {want.revision}, {len(new)} there"
        decisions.append(Decision(want.model, Action.START, reason, message, numbers))
    for each in sorted(new, key=_leaves_first)[: max(0, len(new) - want.count)]:
        message = f"{len(new)} run, {want.count} wanted"
        decisions.append(_drain(each, Reason.TOO_MANY_REPLICAS, message, wanted=want.count, present=len(new)))
    return decisions


def _old_leave(wants: Sequence[Want], new: Sequence[Facts], old: Sequence[Facts]) -> list[Decision]:
    count, named = sum(want.count for want in wants), " and ".join(want.revision for want in wants)
    ready_old = sorted((each for each in old if each.ready), key=_leaves_first)
    decisions = [
        _drain(each, Reason.OLD_REVISION, f"revision {each.revision} is replaced by {named}")
        for each in old
        if not each.ready
    ]
    ready_new = sum(each.ready for each in new)
    surplus = max(0, ready_new + len(ready_old) - count)
    if not surplus and not decisions and ready_old and any(each.waits_for_room for each in new):
        message = f"makes room for revision {named}, which waits for what this one holds"
        return [_drain(ready_old[0], Reason.OLD_REVISION, message, ready_new=ready_new, wanted=count)]
    message = f"revision {named} is ready in its place"
    return decisions + [
        _drain(each, Reason.OLD_REVISION, message, ready_new=ready_new, wanted=count) for each in ready_old[:surplus]
    ]


def _leaves_first(replica: Facts) -> tuple[bool, int, float]:
    return (replica.ready, replica.running, -replica.started)


def _drain(replica: Facts, reason: Reason, message: str, **numbers: float) -> Decision:
    return Decision(replica.name, Action.DRAIN, reason, message, {"running": replica.running, **numbers})
