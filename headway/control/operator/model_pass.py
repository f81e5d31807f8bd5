"""One pass over one Model: what the cluster has of it and what it asks for -> a Plan. Pure.

Each Revision has a workload of its own. New ones are brought up, and old ones leave, by `policy.converge`: the very
function that decides it on a laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from headway.control.operator.applied import last, marked, needed, with_replicas
from headway.control.operator.conditions import Condition
from headway.control.operator.events import Told
from headway.control.operator.plan import Apply, End, Plan, Scale
from headway.control.operator.standing import Standing, conditions_of, many, status_of
from headway.control.operator.wish import Serving, Wish
from headway.control.operator.workloads import KINDS, Workload, is_group, pods_of, replica_facts, workloads_of
from headway.policy import converge
from headway.policy.decision import Action, Decision, Reason
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import FINALIZER, REVISION
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.pending import Pending
from headway.sites.kubernetes.pods import condition, seconds
from headway.wire.kube.cluster import MANAGER
from headway.wire.kube.manifest import Manifest, Ref, labels, ref
from headway.wire.kube.ownership import writers

__all__ = ["Derive", "ModelSeen", "decide", "leave", "stand_still"]

LEAVES_WITHIN = 120.0
"""Seconds that pods may take beyond their own grace to be gone before a Model's deletion goes on without them: a node
that is lost keeps its pods for ever."""
TRIED_AGAIN = 600.0
"""Seconds after which a Job that gave up fetching weights is made anew: a store that was away comes back, and nobody
should have to delete the Job."""
LOOK_AGAIN = 5.0
"""Seconds, while the mirrors disagree about what runs."""


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """What the mirrors have of one Model. `children`: objects that it owns; `pods`: with its label, of its namespace;
    `scalers`: (kind, name) -> who scales that; `pending`: by pod, why no node takes it; `now`: Unix seconds."""

    model: Manifest
    children: Mapping[Ref, Manifest]
    pods: Sequence[Manifest]
    facts: Facts
    scalers: Mapping[tuple[str, str], str]
    pending: Mapping[str, Pending]
    now: float = 0.0

    @property
    def namespace(self) -> str:
        namespace: str = self.model["metadata"]["namespace"]
        return namespace

    @property
    def name(self) -> str:
        name: str = self.model["metadata"]["name"]
        return name


Derive = Callable[[Serving, Facts, str], Sequence[Derived]]
"""The objects of one way: (way, facts, namespace) -> what `objects.replica` makes."""
DeriveShared = Callable[[Wish, Facts, str], Sequence[Derived]]
"""What all Revisions of a Model share."""


def decide(seen: ModelSeen, wish: Wish, derive: Derive, shared: DeriveShared) -> Plan:
    """Raises the HeadwayError of what cannot be derived."""
    pods = pods_of(seen.pods, seen.children.values())
    workloads = workloads_of(seen.children.values(), pods, seen.scalers)
    ways = [_way(seen, each, derive, workloads) for each in wish.ways]
    here = [each for each in ways if each.manifest is not None]
    current = {each.serving.revision.id for each in here}
    old = [each for revision, each in workloads.items() if revision not in current]
    fits = [name for name, each in seen.pending.items() if each.fits_now]
    wants = [converge.Want(seen.name, each.serving.revision.id, each.replicas) for each in here]
    moves = converge.decide(wants, replica_facts(seen.name, pods, has_room=fits))
    objects = _objects(seen, here, shared(wish, seen.facts, seen.namespace))
    apply = [made for each in objects.values() if (made := _apply(seen, wish, each))]
    scale = [*_grown(here, apply), *_shrunk(old, moves)]
    failed = {at: _failed_at(each) + TRIED_AGAIN for at, each in seen.children.items() if _failed_at(each)}
    again = [at for at, due in failed.items() if at in objects and due <= seen.now]
    waits = [LOOK_AGAIN] if any(map(_is_behind, old)) else []
    waits += [due - seen.now for due in failed.values() if due > seen.now]
    counts = {each.serving.revision.id: each.replicas for each in here}
    standing = Standing(seen.model, wish, pods, workloads, counts, seen.pending)
    return Plan(
        apply=tuple(apply),
        scale=tuple(scale),
        end=tuple(_ended(seen, set(objects) - set(again), old)),
        conditions=conditions_of(standing, [each.told for each in here if each.told]),
        status=status_of(standing),
        events=(*_events(moves.decisions, apply, scale), *map(_told_again, again)),
        finalizers=(FINALIZER,),
        look_again=min(waits, default=None),
    )


def stand_still(seen: ModelSeen, reason: Reason, message: str, next_action: str) -> Plan:
    """It cannot be served as it is written: what runs goes on, and the conditions say what is wrong."""
    pods = pods_of(seen.pods, seen.children.values())
    workloads = workloads_of(seen.children.values(), pods, seen.scalers)
    ready = sum(each.is_ready for each in pods)
    answers = f"{many(ready)} of before answer" if ready else message
    conditions = (
        Condition("Ready", bool(ready), Reason.READY if ready else reason, answers, "" if ready else next_action),
        Condition("Progressing", False, reason, "waits for a change of the object"),
        Condition("Degraded", True, reason, message, next_action),
    )
    standing = Standing(seen.model, None, pods, workloads, {}, {})
    return Plan(conditions=conditions, status={**status_of(standing), "next": next_action})


def leave(seen: ModelSeen, gone_for: float) -> Plan:
    """A Model that is being deleted: its Replicas end with their requests, then it may go. What else it owns the
    cluster collects by itself. `gone_for`: seconds since somebody deleted it."""
    if FINALIZER not in seen.model["metadata"].get("finalizers", ()):
        return Plan()
    pods = pods_of(seen.pods, seen.children.values())
    ends = tuple(
        End(at, each["metadata"]["uid"], "its Model is deleted")
        for at, each in seen.children.items()
        if at.kind in KINDS and "deletionTimestamp" not in each["metadata"]
    )
    grace = max((each.manifest["spec"].get("terminationGracePeriodSeconds") or 30 for each in pods), default=0)
    if not pods and not ends:
        return Plan(finalizers=())
    if gone_for > grace + LEAVES_WITHIN:
        told = f"{len(pods)} pods did not end within {gone_for:.0f} s; the Model goes without them"
        return Plan(finalizers=(), end=ends, events=(Told(Reason.KILLED_FROM_OUTSIDE, told, warning=True),))
    message = f"waits for {many(len(pods))} to end"
    conditions = (
        Condition("Ready", False, Reason.DRAINING, message),
        Condition("Progressing", True, Reason.DRAINING, message),
        Condition("Degraded", False, Reason.AS_WANTED),
    )
    return Plan(end=ends, conditions=conditions, look_again=grace + LEAVES_WITHIN - gone_for + 1)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way, what is derived of it, and its workload as it is. `manifest`: the workload as it shall be; None = it
    runs elsewhere."""

    serving: Serving
    objects: Sequence[Derived]
    manifest: Manifest | None
    workload: Workload | None

    @property
    def target(self) -> int:
        """`replicas` as Headway would write it."""
        count: int = self.manifest["spec"]["replicas"] if self.manifest else 0
        return count

    @property
    def holder(self) -> str:
        return self.workload.held_by(self.target) if self.workload else ""

    @property
    def count(self) -> int:
        """`replicas` as it is or shall be."""
        return self.workload.count if self.workload and self.holder else self.target

    @property
    def replicas(self) -> int:
        """Replicas that shall be; of a group of pods there is one, or none."""
        return min(self.count, 1) if self.manifest and is_group(self.manifest) else self.count

    @property
    def told(self) -> str:
        if not self.holder or self.workload is None:
            return ""
        says = f"{self.holder} says {many(self.workload.count)} of {self.workload.at.name}"
        return f"{says}, the Model {self.target}"

    @property
    def written(self) -> int | None:
        """`replicas` as an apply says it: left out where somebody else owns the field."""
        others = set(writers(self.workload.manifest, ("spec", "replicas"))) - {MANAGER} if self.workload else ()
        return None if self.holder and others else self.count


@dataclass(frozen=True, slots=True)
class _Object:
    at: Ref
    manifest: Manifest
    way: _Way | None = None


def _way(seen: ModelSeen, serving: Serving, derive: Derive, workloads: Mapping[str, Workload]) -> _Way:
    objects = derive(serving, seen.facts, seen.namespace)
    manifest = next((each.manifest for each in objects if each.manifest["kind"] in KINDS), None)
    return _Way(serving, objects, manifest, workloads.get(serving.revision.id))


def _objects(seen: ModelSeen, ways: Sequence[_Way], shared: Sequence[Derived]) -> dict[Ref, _Object]:
    """All that shall be, in the order in which it is applied."""
    found = [_Object(ref(each.manifest, seen.namespace), each.manifest) for each in shared]
    for way in ways:
        for each in way.objects:
            is_workload = each.manifest is way.manifest
            found.append(_Object(ref(each.manifest, seen.namespace), each.manifest, way if is_workload else None))
    return {each.at: each for each in found}


def _apply(seen: ModelSeen, wish: Wish, wanted: _Object) -> Apply | None:
    """None: it is as it shall be. A workload of which no pod has a node yet follows the cluster; once one has, it does
    not: a node that joins must not restart a Replica."""
    live, way = seen.children.get(wanted.at), wanted.way
    made = needed(seen.model, live, wanted.manifest, wish.source)
    if way is None or (made is None and (live is None or _is_placed(way))):
        return made
    if made is None and (before := last(live or {})) is not None and not _is_same(before, wanted.manifest):
        made = Apply(wanted.manifest, "the cluster changed, and none of its pods has a node yet")
    if made is None:
        return None
    manifest = with_replicas(made.manifest, way.written)
    return replace(made, manifest=marked(manifest, seen.model, wish.source, way.target))


def _is_placed(way: _Way) -> bool:
    return way.workload is not None and any(each.is_placed for each in way.workload.pods)


def _is_same(before: Manifest, fresh: Manifest) -> bool:
    now = msgspec.json.decode(msgspec.json.encode(with_replicas(fresh, None)))
    return all(before.get(part) == now.get(part) for part in now.keys() - {"metadata"})


def _grown(ways: Sequence[_Way], apply: Sequence[Apply]) -> list[Scale]:
    """Workloads of wanted Revisions that shall be more or fewer, and are not applied anyway."""
    applied = {ref(each.manifest) for each in apply}
    found = []
    for each in ways:
        there, count = each.workload, each.target
        if there is None or there.at in applied or each.holder:
            continue
        if there.count != count or there.told != count:
            reason = Reason.TOO_MANY_REPLICAS if count < there.count else Reason.TOO_FEW_REPLICAS
            found.append(Scale(there.at, count, count, f"{count} wanted, {there.count} there", reason))
    return found


def _shrunk(old: Sequence[Workload], moves: converge.Plan) -> list[Scale]:
    """Workloads of older Revisions: as many stay as `converge` lets stay."""
    drained = set(moves.drain)
    found = []
    for each in old:
        stay = sum(pod.name not in drained for pod in each.staying)
        if each.is_group and stay:
            continue
        if stay < each.count and not _is_behind(each):
            why = f"revision {each.revision} leaves: {stay} of {each.count} stay"
            found.append(Scale(each.at, stay, 0, why, Reason.OLD_REVISION))
    return found


def _is_behind(workload: Workload) -> bool:
    """Its own controller counts more that answer than the mirror of pods shows: who is not seen must not be ended."""
    status = workload.manifest.get("status") or {}
    return bool((status.get("readyReplicas") or 0) > sum(each.ready_pods for each in workload.staying))


def _ended(seen: ModelSeen, wanted: set[Ref], old: Sequence[Workload]) -> Iterator[End]:
    """What no wanted way asks for: of an old Revision when its last pod is gone, all else at once."""
    busy = {each.revision for each in old if each.pods or each.count}
    for at, each in seen.children.items():
        if at in wanted or "deletionTimestamp" in each["metadata"] or labels(each).get(REVISION) in busy:
            continue
        why = "it gave up, and is made anew" if _failed_at(each) else "nothing asks for it any more"
        yield End(at, each["metadata"]["uid"], why)


def _failed_at(child: Manifest) -> float:
    """When a Job gave up; 0 = it did not, or it is none, or goes already."""
    if child["kind"] != "Job" or "deletionTimestamp" in child["metadata"]:
        return 0.0
    failed = condition(child, "Failed")
    return seconds(failed.get("lastTransitionTime", "")) if failed.get("status") == "True" else 0.0


def _told_again(job: Ref) -> Told:
    return Told(Reason.PREPARE_FAILED, f"Job {job.name} gave up; it begins anew", warning=True)


def _events(decisions: Sequence[Decision], apply: Sequence[Apply], scale: Sequence[Scale]) -> Iterator[Told]:
    """Only of what this pass writes: what goes on is told by the conditions."""
    started = {each.numbers.get("revision"): each for each in decisions if each.action is Action.START}
    for made in apply:
        at = ref(made.manifest)
        if made.repairs:
            yield Told(Reason.REPAIRED, f"{at.kind} {at.name}: {made.why}; it is as derived again", warning=True)
        elif made.is_new and at.kind in KINDS and (why := started.get(labels(made.manifest).get(REVISION))):
            yield Told(why.reason, why.message)
    for each in scale:
        yield Told(each.reason, f"{each.workload.kind} {each.workload.name}: {each.why}")
