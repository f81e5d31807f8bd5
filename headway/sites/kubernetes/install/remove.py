"""An install taken from a cluster. What users made stays, unless it is asked for: Models, Routes, Tenants, Apps, keys.

A kind whose objects stay must stay itself, because the API server deletes the objects with it, and so must the
namespace that they are in. Models that stay go on serving by their Deployments; nobody is there any more to drain them,
so the finalizer by which the operator would is taken off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from headway.sites.kubernetes.install.apply import POLL, Told, installed
from headway.sites.kubernetes.install.rbac import KEYS, LEASE
from headway.sites.kubernetes.install.workloads import CLAIM
from headway.sites.kubernetes.labels import FINALIZER, MANAGED, TENANT
from headway.sites.kubernetes.objects.crds import CLUSTER_KINDS
from headway.sites.kubernetes.objects.queue import FLAVOR
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.resource import GROUP, VERSION, Resource, resource

__all__ = ["Left", "remove", "users_objects"]

OURS = f"{GROUP}/{VERSION}"
_TENANTS = (
    "RoleBinding",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "LocalQueue",
    "ClusterQueue",
)


@dataclass(frozen=True, slots=True)
class Left:
    """`objects`: of users, that stayed. `kinds` and `namespace`: that stayed for them."""

    objects: tuple[Ref, ...]
    kinds: tuple[str, ...]
    namespace: bool


async def users_objects(cluster: Cluster) -> list[Manifest]:
    """Models, Routes, Tenants and Apps of all namespaces."""
    found: list[Manifest] = []
    for kind in CLUSTER_KINDS:
        found += await _listed(cluster, resource(kind, OURS))
    return found


async def remove(cluster: Cluster, namespace: str, told: Told, *, purge: bool, within: float) -> Left:
    """`purge`: what users made goes first, each drained by the operator for at most `within` seconds in all."""
    if purge:
        await _delete_users(cluster, told, within)
    for found in await installed(cluster, namespace):
        await _delete(cluster, found, told)
    await cluster.delete(resource("Lease"), LEASE, namespace)
    stay = await users_objects(cluster)
    for each in stay:
        await _release(cluster, each)
    if purge:
        stay = [each for each in stay if not each["metadata"].get("deletionTimestamp")]
        await _delete_tenants(cluster, told)
        await cluster.delete(resource("Secret"), KEYS, namespace)
        await cluster.delete(resource("PersistentVolumeClaim"), CLAIM, namespace)
    kept = {each["kind"] for each in stay}
    for kind in CLUSTER_KINDS:
        if kind not in kept:
            name = f"{resource(kind, OURS).plural}.{GROUP}"
            await _delete(cluster, Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name), told)
    occupied = any(each["metadata"].get("namespace") == namespace for each in stay)
    keep = occupied or await _keeps(cluster, namespace)
    if not keep:
        await _delete(cluster, Ref("v1", "Namespace", "", namespace), told)
    return Left(tuple(ref(each) for each in stay), tuple(sorted(kept)), keep)


async def _keeps(cluster: Cluster, namespace: str) -> bool:
    """Whether keys or budgets lie there."""
    keys = await cluster.get(resource("Secret"), KEYS, namespace)
    return bool(keys or await cluster.get(resource("PersistentVolumeClaim"), CLAIM, namespace))


async def _delete_users(cluster: Cluster, told: Told, within: float) -> None:
    """Tenants last: while they are there, the gateway knows whose requests it ends."""
    for each in sorted(await users_objects(cluster), key=lambda each: each["kind"] == "Tenant"):
        await _delete(cluster, ref(each), told)
    try:
        async with asyncio.timeout(within):
            while await users_objects(cluster):  # noqa: ASYNC110 - an API server has no event for us
                await asyncio.sleep(POLL)
    except TimeoutError:
        return  # there is no operator, or an engine that does not end: what is left is released below


async def _release(cluster: Cluster, each: Manifest) -> None:
    held = each["metadata"].get("finalizers") or []
    if FINALIZER in held:
        left = [name for name in held if name != FINALIZER]
        at = ref(each)
        await cluster.patch(resource(at.kind, OURS), at.name, {"metadata": {"finalizers": left}}, at.namespace)


async def _delete_tenants(cluster: Cluster, told: Told) -> None:
    """What tenants had, but their namespaces, which hold what their people made."""
    for kind in _TENANTS:
        for each in await _listed(cluster, resource(kind), labels=f"{TENANT},{MANAGED}=headway"):
            await _delete(cluster, ref(each), told)
    if await _listed(cluster, resource("ResourceFlavor"), labels=f"{MANAGED}=headway"):
        await _delete(cluster, Ref(resource("ResourceFlavor").api_version, "ResourceFlavor", "", FLAVOR), told)


async def _delete(cluster: Cluster, found: Ref, told: Told) -> None:
    if await cluster.delete(resource(found.kind, found.api_version), found.name, found.namespace):
        told(found, "deleted")


async def _listed(cluster: Cluster, of: Resource, *, labels: str = "") -> list[Manifest]:
    """None of a kind that the cluster does not have."""
    try:
        return (await cluster.list(of, labels=labels)).items
    except ApiRefusal as refusal:
        if refusal.status == 404:
            return []
        raise
