"""`headway down [NAME] --on SITE`: the objects go, and the command waits until what they stood for is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from headway.cli.app_secret import end_key
from headway.cli.cluster_state import listed
from headway.cli.on import SYSTEM
from headway.errors import HeadwayError, UsageError
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.replicas import OURS
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, ref
from headway.wire.kube.resource import resource

__all__ = ["remove"]

DRAIN = 120.0
"""Seconds that requests and the operator have, besides `grace`."""
LOOK_EVERY = 0.5


async def remove(cluster: Cluster, name: str | None, grace: float) -> list[str]:
    """Names, Models last: a Route that leads to one goes first. Raises UsageError for a name that is not there."""
    kinds = ("Route", "App", "Model") if name is None else ("Route", "App", "Model", "Tenant")
    found = [each for kind in kinds for each in await listed(cluster, kind)]
    if name is None:
        chosen = [each for each in found if each["metadata"]["namespace"] == cluster.namespace]
    else:
        chosen = [each for each in found if each["metadata"]["name"] == name and _counts(each)]
        if not chosen:
            known = ", ".join(sorted({each["metadata"]["name"] for each in found})) or "none"
            raise UsageError(f"no model, route, app or tenant {name!r} there", hint=f"there are: {known}")
    for each in chosen:
        at = ref(each)
        of = resource(at.kind, at.api_version)
        if at.kind == "App":
            await end_key(cluster, at.name, at.namespace, time.time())
        await cluster.delete(of, at.name, at.namespace, uid=each["metadata"]["uid"])
    await _until_gone(cluster, chosen, grace + DRAIN)
    return [each["metadata"]["name"] for each in chosen]


def _counts(manifest: Manifest) -> bool:
    at = ref(manifest)
    return at.kind != "Tenant" or at.namespace == SYSTEM


async def _until_gone(cluster: Cluster, objects: Iterable[Manifest], within: float) -> None:
    deadline = time.monotonic() + within
    for each in objects:
        at, uid = ref(each), each["metadata"]["uid"]
        while await _is_there(cluster, each, uid):
            if time.monotonic() > deadline:
                hint = f"kubectl -n {at.namespace} describe {at.kind.lower()} {at.name}"
                raise HeadwayError(f"{at} is not gone within {within:.0f} s; it goes on ending by itself", hint=hint)
            await asyncio.sleep(LOOK_EVERY)


async def _is_there(cluster: Cluster, manifest: Manifest, uid: str) -> bool:
    """The object, or a pod that it left and that still ends."""
    at = ref(manifest)
    there = await cluster.get(resource(at.kind, at.api_version), at.name, at.namespace)
    if there is not None and there["metadata"]["uid"] == uid:
        return True
    if at.kind != "Model":
        return False
    return bool((await cluster.list(resource("Pod"), at.namespace, labels=f"{OURS},{MODEL}={at.name}")).items)
