"""What serves a Revision in the cluster: its workload, its pods, and who else has a say in how many they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.policy.converge import Facts as ReplicaFacts
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.groups import replicas_in, whole
from headway.sites.kubernetes.labels import COMPONENT, REVISION, VARIANT, WANTED
from headway.sites.kubernetes.objects.workload import GROUP_SUFFIX
from headway.sites.kubernetes.pods import Seen, seconds, seen
from headway.sites.kubernetes.requests import is_over
from headway.wire.kube.cluster import MANAGER
from headway.wire.kube.manifest import Manifest, Ref, labels, ref
from headway.wire.kube.ownership import writers

__all__ = ["KINDS", "Pod", "Workload", "is_group", "pods_of", "replica_facts", "workloads_of"]

KINDS = ("Deployment", "StatefulSet", "LeaderWorkerSet")
WAITS_FOR_ROOM = (Reason.NO_FREE_GPU, Reason.NOT_ENOUGH_MEMORY, Reason.UNSCHEDULABLE)


@dataclass(frozen=True, slots=True)
class Pod:
    """One Replica's pod. Of a Replica of several pods its first; then `others` are the rest, and `seen` is what keeps
    the Replica from answering, of the pod named `about`."""

    manifest: Manifest
    seen: Seen
    others: tuple[Manifest, ...] = ()
    about: str = ""

    @property
    def name(self) -> str:
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def revision(self) -> str:
        return labels(self.manifest).get(REVISION, "")

    @property
    def leaves(self) -> bool:
        return self.seen.state is ReplicaState.DRAINING

    @property
    def is_ready(self) -> bool:
        return self.seen.state is ReplicaState.READY

    @property
    def is_placed(self) -> bool:
        return any(each["spec"].get("nodeName") for each in (self.manifest, *self.others))

    @property
    def ready_pods(self) -> int:
        """As the workload's own controller counts: each for itself."""
        return sum(seen(each).state is ReplicaState.READY for each in (self.manifest, *self.others))


@dataclass(frozen=True, slots=True)
class Workload:
    """`scaler`: an object that says how many, like `HorizontalPodAutoscaler team/chat`."""

    at: Ref
    manifest: Manifest
    pods: tuple[Pod, ...]
    scaler: str = ""

    @property
    def revision(self) -> str:
        return labels(self.manifest).get(REVISION, "")

    @property
    def variant(self) -> str:
        return labels(self.manifest).get(VARIANT, "")

    @property
    def count(self) -> int:
        """As its spec says it: pods, of a LeaderWorkerSet groups."""
        count: int = self.manifest["spec"].get("replicas", 1)
        return count

    @property
    def is_group(self) -> bool:
        return is_group(self.manifest)

    @property
    def staying(self) -> list[Pod]:
        return [each for each in self.pods if not each.leaves]

    @property
    def told(self) -> int | None:
        """What the Model wanted when we last said how many."""
        said = (self.manifest["metadata"].get("annotations") or {}).get(WANTED, "")
        return int(said) if said.isdigit() else None

    def held_by(self, wanted: int) -> str:
        """Who else says how many run, and is not to be overruled; empty: nobody. An autoscaler always has the word; a
        person has it until the Model wants another number than it did then."""
        if self.scaler:
            return self.scaler
        others = [each for each in writers(self.manifest, ("spec", "replicas")) if each != MANAGER]
        if not others or self.count == wanted or self.told != wanted:
            return ""
        return others[0]


def is_group(workload: Manifest) -> bool:
    """A StatefulSet whose pods are one Replica together."""
    return str(workload["spec"].get("serviceName", "")).endswith(GROUP_SUFFIX)


def pods_of(pods: Iterable[Manifest], children: Iterable[Manifest]) -> list[Pod]:
    """Those that are Replicas: not ended for good (their workload made others), and no Job's that fetches weights."""
    sizes = {
        labels(each).get(REVISION, ""): each["spec"].get("replicas", 1)
        for each in children
        if each["kind"] == "StatefulSet" and is_group(each)
    }
    living = (each for each in pods if labels(each).get(COMPONENT) != "weights" and not is_over(each))
    return [_pod(each, sizes) for each in replicas_in(living)]


def _pod(pods: Sequence[Manifest], sizes: Mapping[str, int]) -> Pod:
    lead, *others = pods
    found, about = whole(pods, sizes.get(labels(lead).get(REVISION, ""), 0))
    return Pod(lead, found, tuple(others), about)


def workloads_of(
    children: Iterable[Manifest], pods: Sequence[Pod], scalers: Mapping[tuple[str, str], str]
) -> dict[str, Workload]:
    """By Revision. `scalers`: (kind, name) of what they scale -> who they are."""
    found = {}
    for each in children:
        if each["kind"] in KINDS and (revision := labels(each).get(REVISION)):
            at = ref(each)
            mine = tuple(pod for pod in pods if pod.revision == revision)
            found[revision] = Workload(at, each, mine, scalers.get((at.kind, at.name), ""))
    return found


def replica_facts(model: str, pods: Sequence[Pod], *, has_room: Iterable[str] = ()) -> list[ReplicaFacts]:
    """For `policy.converge`. What leaves now will make room itself: nothing more need leave for who waits. Nor for one
    of `has_room`, pods that fit as things are: the scheduler has only not come to them yet."""
    fits = set(has_room)
    leaving = any(each.leaves for each in pods)
    return [
        ReplicaFacts(
            name=each.name,
            model=model,
            revision=each.revision,
            ready=each.is_ready,
            leaving=each.leaves,
            started=seconds(each.manifest["metadata"].get("creationTimestamp", "")),
            waits_for_room=not leaving
            and each.about not in fits
            and each.seen.state is ReplicaState.PENDING
            and each.seen.reason in WAITS_FOR_ROOM,
        )
        for each in pods
    ]
