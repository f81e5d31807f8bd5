"""The Secret of an App on a cluster: its key for the gateway, and the password that it asks people for.

It goes with the App. Where the cluster has no Tenant the gateway asks for no key, and `none` stands in its place.
"""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress

from headway.control.apps import tenant_of
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.keys import ClusterKeys
from headway.sites.kubernetes.labels import APP, MANAGED, SYSTEM
from headway.sites.kubernetes.objects.app import KEY, TOKEN, object_name
from headway.spec.app import App
from headway.spec.fault import Fault
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["end_key", "ensure_secret"]

NO_KEY = "none"


async def ensure_secret(cluster: Cluster, app: App, manifest: Manifest, now: float) -> str:
    """Its password; empty for an App that asks for none. `manifest`: as the cluster has the App. Raises UsageError for
    whoever may not make one, SpecError where it is not clear whose key it gets."""
    namespace = manifest["metadata"]["namespace"]
    try:
        there = await cluster.get(resource("Secret"), object_name(app.name), namespace)
        if there is not None:
            return base64.b64decode((there.get("data") or {}).get(TOKEN, "")).decode()
        token = secrets.token_urlsafe(24) if app.whole.preset.token else ""
        await cluster.create(_secret(app, manifest, await _key(cluster, app, now), token))
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        hint = "ask whoever gives out keys to run headway open once"
        raise UsageError(f"{app.name} has no key yet, and you may not make one: {refusal.message}", hint=hint) from None
    return token


async def end_key(cluster: Cluster, name: str, namespace: str, now: float) -> None:
    """Of an App that goes: its key counts no more. Who may not do that leaves a key that nobody has any longer, for the
    Secret goes with the App."""
    with suppress(ApiRefusal, UsageError):
        there = await cluster.get(resource("Secret"), object_name(name), namespace)
        key = base64.b64decode(((there or {}).get("data") or {}).get(KEY, "")).decode()
        if key.startswith("hw-"):
            await ClusterKeys(cluster).revoke(key.split("-")[1], now)


async def _key(cluster: Cluster, app: App, now: float) -> str:
    tenants = (await cluster.list(resource("Tenant"), SYSTEM)).items
    try:
        tenant = tenant_of(app, (each["metadata"]["name"] for each in tenants))
    except Fault as fault:
        raise SpecError(fault.message, hint=fault.hint, field=f"{app.name}.tenant") from None
    if not tenant:
        return NO_KEY
    made = await ClusterKeys(cluster).new(tenant, now=now, name=f"app {app.name}", models=app.models)
    return made.secret


def _secret(app: App, manifest: Manifest, key: str, token: str) -> Manifest:
    metadata = manifest["metadata"]
    owner = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "name": metadata["name"],
             "uid": metadata["uid"]}  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": object_name(app.name),
            "namespace": metadata["namespace"],
            "labels": {MANAGED: "headway", APP: app.name},
            "ownerReferences": [owner],
        },
        "type": "Opaque",
        "stringData": {KEY: key} | ({TOKEN: token} if token else {}),
    }
