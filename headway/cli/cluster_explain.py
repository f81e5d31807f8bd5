"""`headway explain NAME --on SITE`: a Model's story, from its conditions, its objects' reasons and events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from headway.cli.cluster_state import look
from headway.cli.names import model_named, route_named, tenant_named
from headway.cli.on import Place
from headway.sites.kubernetes.happenings import decision_of
from headway.sites.kubernetes.labels import MODEL, WHY
from headway.sites.kubernetes.pods import seconds
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["explained", "value_at"]

MOST_EVENTS = 50
LONGEST_VALUE = 80
"""Characters of a value that stand in a line; a whole probe is read in the object itself."""
KINDS = ("Deployment", "StatefulSet", "Service", "Job", "PersistentVolumeClaim", "PodDisruptionBudget")
"""Whose reasons are told, besides the Model's own."""


async def explained(cluster: Cluster, where: Place, what: str) -> dict[str, Any]:
    """In the form of the control process's `/explain`. Raises UsageError for a name that is not there."""
    snapshot = await look(cluster, where)
    if tenant := tenant_named(snapshot, what):
        return {"kind": "tenant", "tenant": tenant, "keys": []}
    if route := route_named(snapshot, what):
        return {"kind": "route", "route": route}
    model = model_named(snapshot, what)
    reasons, decisions = await asyncio.gather(_reasons(cluster, what), _decisions(cluster, model))
    return {"kind": "model", "model": model | {"derived": model["derived"] | reasons}, "decisions": decisions}


async def _reasons(cluster: Cluster, model: str) -> dict[str, str]:
    """Each value that Headway derived on the objects that are there, with why: what nobody wrote stands here."""
    found = await asyncio.gather(*(_named(cluster, kind, model) for kind in KINDS))
    return {
        f"{each['kind']} {each['metadata']['name']} {pointer}{value_at(each, pointer)}": why
        for each in (one for several in found for one in several)
        for pointer, why in _why(each).items()
    }


def value_at(manifest: Manifest, pointer: str) -> str:
    """` = VALUE` for a line, of a JSON pointer (RFC 6901); empty where it is long or not there any more."""
    found: Any = manifest
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return ""
    told = found if isinstance(found, str) else json.dumps(found)
    return f" = {told}" if len(told) <= LONGEST_VALUE else ""


async def _named(cluster: Cluster, kind: str, model: str) -> list[Manifest]:
    try:
        return (await cluster.list(resource(kind), labels=f"{MODEL}={model}")).items
    except ApiRefusal:
        return []


def _why(manifest: Manifest) -> dict[str, str]:
    try:
        told = json.loads((manifest["metadata"].get("annotations") or {}).get(WHY, "{}"))
    except ValueError:
        return {}
    return {str(pointer): str(why) for pointer, why in told.items()} if isinstance(told, dict) else {}


async def _decisions(cluster: Cluster, model: dict[str, Any]) -> list[dict[str, Any]]:
    """Events of the Model (the operator's own) and of its Replicas (the cluster's), newest first."""
    names = {each["name"] for each in model["replicas"]}
    of_model = f"involvedObject.kind=Model,involvedObject.name={model['name']}"
    try:
        own = await cluster.list(resource("Event"), fields=of_model)
        of_pods = await cluster.list(resource("Event"), fields="involvedObject.kind=Pod") if names else None
    except ApiRefusal:
        return []
    found = [_told(each, each["reason"], each.get("message", "")) for each in own.items]
    for each in of_pods.items if of_pods else ():
        if each["involvedObject"]["name"] in names and (made := decision_of(each)):
            found.append(_told(each, made.reason, made.message, made.action, dict(made.numbers)))
    return sorted(found, key=lambda each: -each["at"])[:MOST_EVENTS]


def _told(
    event: Manifest, reason: str, message: str, action: str = "", numbers: dict[str, Any] | None = None
) -> dict[str, Any]:
    at = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp", "")
    return {
        "at": seconds(at),
        "object": event["involvedObject"]["name"],
        "action": action or event.get("action", "").lower() or "-",
        "reason": reason,
        "message": message,
        "numbers": numbers or {},
    }
