"""A cluster as it is now -> Facts: once for a command (`facts`), or from copies that a loop keeps (`facts_from`)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from headway.sites.kubernetes.dra import claimed, devices_of
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.nodes import node_facts
from headway.sites.kubernetes.requests import taken
from headway.sites.kubernetes.storage import storage_class
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, labels
from headway.wire.kube.resource import resource

__all__ = ["Served", "facts", "facts_from", "served"]

DRA = "resource.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Served:
    """What the API server is: its version, and the `group/version`s that it serves."""

    version: tuple[int, int]
    groups: frozenset[str]


async def facts(cluster: Cluster, *, without: Collection[str] = ()) -> Facts:
    """Raises ApiRefusal where nodes or pods may not be read; of what else is refused nothing is known. `without`: the
    Models whose Replicas are looked through, as if they were not there."""
    api = await served(cluster)
    has_dra = DRA in api.groups
    nodes, pods, storage, priorities, classes, slices, claims = await asyncio.gather(
        _all(cluster, "Node"),
        _all(cluster, "Pod", fields="status.phase!=Succeeded,status.phase!=Failed"),
        _allowed(cluster, "StorageClass"),
        _allowed(cluster, "PriorityClass"),
        *(_allowed(cluster, kind, wanted=has_dra) for kind in ("DeviceClass", "ResourceSlice", "ResourceClaim")),
    )
    return facts_from(
        api,
        nodes=nodes,
        pods=[each for each in pods if labels(each).get(MODEL) not in without],
        storage=storage,
        priorities=priorities,
        classes=classes,
        slices=slices,
        claims=claims,
    )


def facts_from(
    api: Served,
    *,
    nodes: Iterable[Manifest],
    pods: Iterable[Manifest],
    storage: Iterable[Manifest] = (),
    priorities: Iterable[Manifest] = (),
    classes: Sequence[Manifest] = (),
    slices: Iterable[Manifest] = (),
    claims: Iterable[Manifest] = (),
) -> Facts:
    """Pure. `pods`: of all namespaces, also those that are not ours: they take what ours cannot have."""
    asked = taken(pods)
    devices = devices_of(slices, claimed(claims), classes)
    found = [node_facts(each, asked.get(_name(each), {}), devices.get(_name(each), ())) for each in nodes]
    return Facts(
        version=api.version,
        groups=api.groups,
        nodes=tuple(sorted(found, key=lambda each: each.name)),
        storage=tuple(map(storage_class, storage)),
        priority_classes=tuple(sorted(map(_name, priorities))),
        device_classes=tuple(sorted(map(_name, classes))),
    )


async def served(cluster: Cluster) -> Served:
    version, groups = await asyncio.gather(cluster.ask("/version"), cluster.ask("/apis"))
    major, minor = (int(re.match(r"\d*", version.get(part, ""))[0] or 0) for part in ("major", "minor"))  # type: ignore[index]
    named = (each["groupVersion"] for group in groups["groups"] for each in group["versions"])
    return Served((major, minor), frozenset(named))


async def _all(cluster: Cluster, kind: str, *, fields: str = "") -> list[Manifest]:
    return (await cluster.list(resource(kind), fields=fields)).items


async def _allowed(cluster: Cluster, kind: str, *, wanted: bool = True) -> list[Manifest]:
    try:
        return await _all(cluster, kind) if wanted else []
    except ApiRefusal as refusal:
        if refusal.status in (403, 404):
            return []
        raise


def _name(manifest: Manifest) -> str:
    name: str = manifest["metadata"]["name"]
    return name
