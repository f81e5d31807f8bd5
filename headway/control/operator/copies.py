"""The operator's copies of what the cluster has, and which of Headway's objects a change concerns.

A pass reads everything here and asks the API server nothing. `concerned` is called with each Model, Route, Tenant or
App whose pass could now come out otherwise.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from headway.control.operator import kept
from headway.control.operator.index import Index
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import APP, MANAGED, MODEL, TENANT
from headway.sites.kubernetes.names import owners
from headway.sites.kubernetes.objects.app import object_name
from headway.sites.kubernetes.objects.crds import CLUSTER_KINDS
from headway.sites.kubernetes.observe import Served, facts_from
from headway.spec.kinds import KINDS
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, Ref, labels, ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import GROUP, VERSION, Resource, resource

__all__ = ["OURS", "Copies"]

OURS = f"{GROUP}/{VERSION}"
OWN_KINDS = tuple(each for each in CLUSTER_KINDS if each in KINDS)
CHILD_KINDS = (
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
)
VOLUME = ("v1", "PersistentVolumeClaim")
TENANT_KINDS = (
    ("v1", "Namespace"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
WHERE_SERVED = (
    ("resource.k8s.io/v1", "ResourceClaimTemplate"),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"),
    ("kueue.x-k8s.io/v1beta2", "ClusterQueue"),
    ("kueue.x-k8s.io/v1beta2", "ResourceFlavor"),
)
SCALERS = (("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject"))
FACTS = ("StorageClass", "PriorityClass")
FACTS_OF_DRA = ("DeviceClass", "ResourceSlice", "ResourceClaim")
FRESH = 0.5
"""Seconds that Facts may be old where freshness decides nothing: reckoning them anew for each of a thousand changes
would take longer than the changes."""

Essence = tuple[str, int, str, tuple[tuple[str, str], ...]]
Concerned = Callable[[Ref, float], None]


class Copies:
    """`concerned(object, after)`: look at it in so many seconds."""

    def __init__(self, cluster: Cluster, served: Served, concerned: Concerned) -> None:
        self._cluster, self._served, self._concerned = cluster, served, concerned
        self._own = {kind: self._mirror(OURS, kind, self._own_changed, keep=kept.own) for kind in OWN_KINDS}
        managed = f"{MANAGED}=headway"
        self._children = {
            (version, kind): self._mirror(version, kind, self._child_changed, labels=managed)
            for version, kind in (*CHILD_KINDS, *TENANT_KINDS, *WHERE_SERVED)
            if self._is_served(version)
        }
        self._pods = self._mirror("v1", "Pod", self._pod_changed, keep=kept.pod)
        self._nodes = self._mirror("v1", "Node", self._room_changed, keep=kept.node)
        self._scalers = {
            kind: self._mirror(version, kind, self._scaler_changed)
            for version, kind in SCALERS
            if self._is_served(version)
        }
        named = (*FACTS, *(FACTS_OF_DRA if self._is_served("resource.k8s.io/v1") else ()))
        self._facts_of = {kind: self._mirror("", kind, self._room_changed) for kind in named}
        self._by_owner, self._by_model, self._by_target = Index(_owner), Index(_model), Index(_target)
        self._by_app, self._by_tenant = Index(_app), Index(_tenant)
        self._by_name: dict[str, set[Ref]] = {}
        self._essence: dict[Ref, Essence] = {}
        self.waiting: set[Ref] = set()
        """Those with a Replica that no node takes, and those that cannot be derived: what gets free or comes to the
        cluster (a node, a PriorityClass, a class of storage or devices) concerns them."""
        self._facts, self._facts_at, self._stale = Facts(known=False), 0.0, True

    async def open(self) -> None:
        """Read all of it. Raises what the first refusal raises."""
        await asyncio.gather(*(each.open() for each in self._mirrors()))

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._mirrors()))

    @property
    def seen(self) -> float:
        """Since when nothing was heard of one of Headway's own kinds (time.monotonic)."""
        return min(each.seen for each in self._own.values())

    def own(self, at: Ref) -> Manifest | None:
        return self._own[at.kind].objects.get(at)

    def all_of(self, kind: str) -> Mapping[Ref, Manifest]:
        return self._own[kind].objects

    def owner_of(self, name: str) -> Ref | None:
        """Of the Models and Routes of this name, the one that has it."""
        there = (self.own(at) for at in self._by_name.get(name, ()))
        return owners(each for each in there if each is not None).get(name)

    def children(self, owner: Manifest) -> Mapping[Ref, Manifest]:
        return dict(self._by_owner.get(owner["metadata"]["uid"]))

    def tenants(self, tenant: str) -> dict[Ref, Manifest]:
        """Objects of a Tenant: they lie in a namespace of its own, and no owner can be named there."""
        return dict(self._by_tenant.get(tenant))

    def pods(self, model: Ref) -> Sequence[Manifest]:
        return list(self._by_model.get((model.namespace, model.name)).values())

    def pods_of_app(self, app: Ref) -> Sequence[Manifest]:
        return list(self._by_app.get((app.namespace, app.name)).values())

    def volume_of_app(self, app: Ref) -> Manifest | None:
        """Nobody owns it."""
        at = Ref(*VOLUME, app.namespace, object_name(app.name))
        return self._children[VOLUME].objects.get(at)

    def all_pods(self) -> Iterable[Manifest]:
        return self._pods.objects.values()

    def scalers(self, namespace: str, targets: Iterable[Manifest]) -> dict[tuple[str, str], str]:
        """Of those workloads, the ones that an autoscaler scales, and which one."""
        found = {}
        for each in targets:
            key = (each["kind"], each["metadata"]["name"])
            if at := next(iter(self._by_target.get((namespace, *key))), None):
                found[key] = str(at)
        return found

    def facts(self, *, fresh: bool = False) -> Facts:
        if self._stale and (fresh or time.monotonic() - self._facts_at > FRESH):
            self._stale, self._facts_at = False, time.monotonic()
            self._facts = facts_from(
                self._served,
                nodes=self._nodes.objects.values(),
                pods=self._pods.objects.values(),
                storage=self._of_facts("StorageClass"),
                priorities=self._of_facts("PriorityClass"),
                classes=self._of_facts("DeviceClass"),
                slices=self._of_facts("ResourceSlice"),
                claims=self._of_facts("ResourceClaim"),
            )
        return self._facts

    def written(self, manifest: Manifest) -> None:
        """What the API server answered to a write."""
        at = ref(manifest)
        mirror = self._own.get(at.kind) if at.api_version == OURS else self._children.get((at.api_version, at.kind))
        if mirror is not None:
            mirror.note(manifest)
            if at.kind not in OWN_KINDS:
                self._by_owner.put(at, mirror.objects.get(at))
                self._by_tenant.put(at, mirror.objects.get(at))

    def _own_changed(self, at: Ref) -> None:
        manifest = self._own[at.kind].objects.get(at)
        if at.kind == "Model":
            for route in self._routes_to(at.name):
                self._concerned(route, 0.1)
        if manifest is not None and self._essence.get(at) == (essence := _essence(manifest)):
            return  # only its status, and that is our own writing
        if manifest is None:
            self._essence.pop(at, None)
            self.waiting.discard(at)
        else:
            self._essence[at] = essence
        for each in {at, *self._alike(at, manifest)}:
            self._concerned(each, 0.0)

    def _alike(self, at: Ref, manifest: Manifest | None) -> set[Ref]:
        """All that have its name, as callers see names; of a Tenant all others, which may want its namespace."""
        if at.kind == "Tenant":
            return set(self._own["Tenant"].objects)
        if at.kind not in ("Model", "Route"):
            return set()
        alike = self._by_name.setdefault(at.name, set())
        (alike.discard if manifest is None else alike.add)(at)
        if not alike:
            del self._by_name[at.name]
        return alike

    def _routes_to(self, model: str) -> Iterable[Ref]:
        for at, route in self._own["Route"].objects.items():
            if any(each.get("model") == model for each in (route.get("spec") or {}).get("to") or ()):
                yield at

    def _child_changed(self, at: Ref) -> None:
        manifest = self._children[at.api_version, at.kind].objects.get(at)
        before = _concern(manifest) if manifest else None
        uid = self._by_owner.put(at, manifest)
        if isinstance(tenant := self._by_tenant.put(at, manifest), str):
            for each in self._own["Tenant"].objects:
                if each.name == tenant:
                    self._concerned(each, 0.05)
        if before is None and uid is not None:
            before = next((of for of in self._all_own() if self.own(of)["metadata"]["uid"] == uid), None)  # type: ignore[index]
        if before is not None and before.kind in OWN_KINDS:
            self._concerned(before, 0.05)

    def _all_own(self) -> Iterable[Ref]:
        for mirror in self._own.values():
            yield from mirror.objects

    def _pod_changed(self, at: Ref) -> None:
        pod = self._pods.objects.get(at)
        key = self._by_model.put(at, pod)
        if isinstance(of_app := self._by_app.put(at, pod), tuple):
            self._concerned(Ref(OURS, "App", *of_app), 0.05)
        self._stale = True
        if isinstance(key, tuple):
            namespace, name = key
            self._concerned(Ref(OURS, "Model", namespace, name), 0.2)  # its pods change together
        if (
            pod is None
            or "deletionTimestamp" in pod["metadata"]
            or (pod.get("status") or {}).get("phase") == "Succeeded"
        ):
            self._room_may_be()

    def _room_changed(self, _: Ref) -> None:
        self._stale = True
        self._room_may_be()
        for each in self._own["Tenant"].objects:
            self._concerned(each, 30.0)  # its quota names the kinds of GPU that there are

    def _room_may_be(self) -> None:
        for each in self.waiting:
            self._concerned(each, 1.0)

    def _scaler_changed(self, at: Ref) -> None:
        scaler = self._scalers[at.kind].objects.get(at)
        key = self._by_target.put(at, scaler)
        if isinstance(key, tuple):
            for model in self._own["Model"].objects:
                if model.namespace == key[0]:
                    self._concerned(model, 0.5)

    def _of_facts(self, kind: str) -> list[Manifest]:
        mirror = self._facts_of.get(kind)
        return list(mirror.objects.values()) if mirror else []

    def _is_served(self, version: str) -> bool:
        group = version.rpartition("/")[0]
        return group in ("", "apps", "batch", "policy", "networking.k8s.io", "rbac.authorization.k8s.io") or (
            version in self._served.groups
        )

    def _mirror(
        self,
        version: str,
        kind: str,
        changed: Callable[[Ref], None],
        *,
        labels: str = "",
        keep: Callable[[Manifest], Manifest] | None = None,
    ) -> Mirror:
        of: Resource = resource(kind, version)
        return Mirror(self._cluster, of, changed, labels=labels, keep=keep)

    def _mirrors(self) -> list[Mirror]:
        others = (self._own, self._children, self._scalers, self._facts_of)
        return [self._pods, self._nodes, *(each for some in others for each in some.values())]


def _essence(own: Manifest) -> Essence:
    """What makes another pass come out otherwise: its spec (by generation), its end, what people annotate."""
    metadata = own["metadata"]
    notes = tuple(sorted((metadata.get("annotations") or {}).items()))
    return metadata["uid"], metadata.get("generation", 0), metadata.get("deletionTimestamp", ""), notes


def _owner(child: Manifest) -> str | None:
    owners = child["metadata"].get("ownerReferences") or ()
    return next((each["uid"] for each in owners if each["apiVersion"] == OURS), None)


def _concern(child: Manifest) -> Ref | None:
    """Whose pass a child's change concerns."""
    metadata = child["metadata"]
    for each in metadata.get("ownerReferences") or ():
        if each["apiVersion"] == OURS:
            return Ref(OURS, each["kind"], metadata.get("namespace", ""), each["name"])
    return None


def _tenant(child: Manifest) -> str | None:
    return labels(child).get(TENANT)


def _model(pod: Manifest) -> tuple[str, str] | None:
    name = labels(pod).get(MODEL)
    return (pod["metadata"]["namespace"], name) if name else None


def _app(pod: Manifest) -> tuple[str, str] | None:
    name = labels(pod).get(APP)
    return (pod["metadata"]["namespace"], name) if name else None


def _target(scaler: Manifest) -> tuple[str, str, str] | None:
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    if not target.get("name"):
        return None
    return scaler["metadata"]["namespace"], target.get("kind", "Deployment"), target["name"]
