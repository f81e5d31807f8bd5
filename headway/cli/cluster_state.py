"""A cluster in the form that `ls`, `status`, `chat` and `explain` show: what the control process tells of this machine.

One look: a handful of lists, all at once. What this user may not read is left out where the rest still tells something.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from headway.cli.on import SYSTEM, Place
from headway.control.cluster_view import app_view, model_view, route_view, tenant_view
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.gateway_address import GATEWAY, address_of, inside
from headway.sites.kubernetes.keys import ClusterKeys
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.names import owners
from headway.sites.kubernetes.replicas import OURS, replicas_of_pods
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, ref
from headway.wire.kube.resource import resource

__all__ = ["gateway_of", "listed", "look"]


async def look(cluster: Cluster, where: Place) -> dict[str, Any]:
    """Raises UsageError where Headway is not installed."""
    kinds = ("Model", ""), ("Route", ""), ("Tenant", ""), ("App", ""), ("Pod", OURS), ("EndpointSlice", MODEL)
    lists = asyncio.gather(*(listed(cluster, kind, labels=labels) for kind, labels in kinds))
    (models, routes, tenants, apps, pods, slices), address, keys = await asyncio.gather(
        lists, gateway_of(cluster), _keys(cluster)
    )
    named = owners([*models, *routes])
    replicas = replicas_of_pods(pods, slices)
    url = f"{address or inside(SYSTEM)}/v1"
    views = [
        model_view(each, [one for one in replicas if one.model == each["metadata"]["name"]], url, where.name)
        for each in sorted(models, key=lambda each: str(each["metadata"]["name"]))
        if named[each["metadata"]["name"]] == ref(each)
    ]
    states = {each.name: each.state for each in views}
    ours = [each for each in tenants if each["metadata"]["namespace"] == SYSTEM]
    found: dict[str, Any] = msgspec.to_builtins(
        {
            "at": time.time(),
            "control": {"page": ""},
            "gateway": {"address": url, "is_inside": not address},
            "models": views,
            "routes": _readable(routes, lambda each: route_view(each, states, url)),
            "tenants": _readable(ours, lambda each: tenant_view(each, keys.get(each["metadata"]["name"], 0))),
            "apps": _readable(apps, lambda each: app_view(each, where.name)),
        }
    )
    return found


async def listed(cluster: Cluster, kind: str, *, labels: str = "") -> list[Manifest]:
    """Of all namespaces; of the Site's own where this user may not see the others. Raises UsageError where there
    is no Headway."""
    of = resource(kind)
    try:
        return (await cluster.list(of, labels=labels)).items
    except ApiRefusal as refusal:
        if refusal.status == 404 and kind != "Model":
            return []  # an older install has not all kinds
        if refusal.status == 404:
            hint = "headway install puts it there"
            raise UsageError(f"Headway is not on the cluster at {cluster.access.server}", hint=hint) from None
        if refusal.status != 403:
            raise
    try:
        return (await cluster.list(of, cluster.namespace, labels=labels)).items
    except ApiRefusal as refusal:
        if refusal.status != 403 or of.kind == "Model":
            raise
        return []


async def gateway_of(cluster: Cluster) -> str:
    """Base URL from outside; empty: there is none, or this user may not see it."""
    try:
        service, ingresses = await asyncio.gather(
            cluster.get(resource("Service"), GATEWAY, SYSTEM), cluster.list(resource("Ingress"), SYSTEM)
        )
    except ApiRefusal:
        return ""
    return address_of(service, ingresses.items)


async def _keys(cluster: Cluster) -> dict[str, int]:
    """Tenant -> keys that are valid now, where this user may read them."""
    try:
        keys = await ClusterKeys(cluster).all()
    except ApiRefusal:
        return {}
    now, counts = time.time(), dict[str, int]()
    for each in keys:
        counts[each.tenant] = counts.get(each.tenant, 0) + each.is_valid(now)
    return counts


def _readable(manifests: Iterable[Manifest], view: Callable[[Manifest], object]) -> list[object]:
    found = []
    for each in manifests:
        with contextlib.suppress(SpecError):  # its own conditions say what is wrong with it
            found.append(view(each))
    return found
