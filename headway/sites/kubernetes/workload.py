"""One Replica less, of a cluster's workload: the very one that was meant.

A ReplicaSet that shrinks ends the pod of the lowest deletion cost first (kubernetes.io, "Pod deletion cost"), so the
pod is marked before its Deployment wants one less. StatefulSets and LeaderWorkerSets always end their highest number:
of those, only that one can be meant.
"""

from __future__ import annotations

import asyncio
import contextlib

from headway.errors import ResourceError
from headway.sites.kubernetes.labels import REVISION
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, labels
from headway.wire.kube.resource import Resource, resource

__all__ = ["end", "workload_of"]

TRIES = 5
"""Of a change that another writer was faster than."""
SEEN_WITHIN, LOOK_EVERY = 10.0, 0.1  # seconds
COST = "controller.kubernetes.io/pod-deletion-cost"
LOWEST = "-2147483647"


async def workload_of(cluster: Cluster, namespace: str, revision: str) -> tuple[Resource, Manifest] | None:
    """What runs the Replicas of a Revision. LeaderWorkerSets first: each of them has StatefulSets below it."""
    for kind in ("LeaderWorkerSet", "Deployment", "StatefulSet"):
        found = await _with_label(cluster, resource(kind), namespace, f"{REVISION}={revision}")
        if found:
            return resource(kind), found[0]
    return None


async def _with_label(cluster: Cluster, of: Resource, namespace: str, selector: str) -> list[Manifest]:
    try:
        return (await cluster.list(of, namespace, labels=selector)).items
    except ApiRefusal as refusal:
        if refusal.status == 404:  # the cluster has no such kind
            return []
        raise


async def end(cluster: Cluster, pod: Manifest, grace: float) -> None:
    """Want one less, and SIGKILL for this pod after `grace` seconds. Returns when the cluster has begun to end it.
    Raises ResourceError for a pod that its set would make anew."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    found = await workload_of(cluster, namespace, labels(pod).get(REVISION, ""))
    if found is not None:
        of, workload = found
        if of.kind != "Deployment" and name != _last(workload):
            raise ResourceError(
                f"{name} is not the last of its {of.kind} in {namespace}, which ends no other",
                hint=f"end {_last(workload)} first",
            )
        await cluster.patch(resource("Pod"), name, {"metadata": {"annotations": {COST: LOWEST}}}, namespace)
        await _one_less(cluster, of, workload["metadata"]["name"], namespace)
        if not await _is_leaving(cluster, name, namespace):
            return  # its controller is slow: ended by us it would be made anew meanwhile
    await cluster.delete(resource("Pod"), name, namespace, uid=pod["metadata"]["uid"], grace=max(1, round(grace)))


async def _is_leaving(cluster: Cluster, name: str, namespace: str) -> bool:
    """Within the time that controllers take to see a change."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SEEN_WITHIN):
            while pod := await cluster.get(resource("Pod"), name, namespace):
                if "deletionTimestamp" in pod["metadata"]:
                    return True
                await asyncio.sleep(LOOK_EVERY)
    return False


async def _one_less(cluster: Cluster, of: Resource, name: str, namespace: str) -> None:
    for left in reversed(range(TRIES)):
        scale = await cluster.get(of, name, namespace, sub="scale")
        if scale is None or not (count := scale["spec"].get("replicas", 0)):
            return
        change = {
            "metadata": {"resourceVersion": scale["metadata"]["resourceVersion"]},
            "spec": {"replicas": count - 1},
        }
        try:
            await cluster.patch(of, name, change, namespace, sub="scale")
        except ApiRefusal as refusal:
            if refusal.status != 409 or not left:
                raise
        else:
            return


def _last(workload: Manifest) -> str:
    first = (workload["spec"].get("ordinals") or {}).get("start", 0)
    return f"{workload['metadata']['name']}-{first + workload['spec'].get('replicas', 1) - 1}"
