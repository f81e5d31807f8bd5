"""What serves a Revision in the cluster: its workload, its pods, and who else has a say in how many they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.policy.converge import Facts as ReplicaFacts
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.labels import REVISION, VARIANT, WANTED
from headway.sites.kubernetes.objects.workload import GROUP_SUFFIX
from headway.sites.kubernetes.pods import Seen, seconds, seen
from headway.sites.kubernetes.requests import is_over
from headway.wire.kube.cluster import MANAGER
from headway.wire.kube.manifest import Manifest, Ref, labels, ref
from headway.wire.kube.ownership import writers

__all__ = ["KINDS", "Pod", "Workload", "is_group", "pods_of", "replica_facts", "workloads_of"]

KINDS = ("Deployment", "StatefulSet", "LeaderWorkerSet")
_WORKER, _INDEX = "leaderworkerset.sigs.k8s.io/worker-index", "apps.kubernetes.io/pod-index"
WAITS_FOR_ROOM = (Reason.NO_FREE_GPU, Reason.NOT_ENOUGH_MEMORY, Reason.UNSCHEDULABLE)


@dataclass(frozen=True, slots=True)
class Pod:
    """One Replica's pod (of a group: its first)."""

    manifest: Manifest
    seen: Seen

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
        return bool(self.manifest["spec"].get("nodeName"))


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
    """Those that are Replicas: not ended for good (their workload made others), and of a group the first."""
    groups = {labels(each).get(REVISION) for each in children if each["kind"] == "StatefulSet" and is_group(each)}

    def is_replica(pod: Manifest) -> bool:
        said = labels(pod)
        number = said.get(_INDEX, "0") if said.get(REVISION) in groups else said.get(_WORKER, "0")
        return number == "0" and not is_over(pod)

    return [Pod(each, seen(each)) for each in pods if is_replica(each)]


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
            and each.name not in fits
            and each.seen.state is ReplicaState.PENDING
            and each.seen.reason in WAITS_FOR_ROOM,
        )
        for each in pods
    ]
