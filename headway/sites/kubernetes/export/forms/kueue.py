"""`--as kueue`: plain objects that wait in a queue of Kueue until their GPUs are within its quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from headway.sites.kubernetes.export.forms.plain import plain
from headway.sites.kubernetes.export.way import WORKLOADS
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.tenant import tenant_objects

__all__ = ["API", "QUEUE", "queued"]

API = "kueue.x-k8s.io/v1beta2"
QUEUE = "kueue.x-k8s.io/queue-name"


def queued(wish: Wish) -> Iterator[Derived]:
    """With the queues of the file's Tenants; a namespace without one needs a LocalQueue called `default`."""
    facts = replace(wish.facts, groups=wish.facts.groups | {API})
    name = "default"
    for tenant in wish.tenants:
        for each in tenant_objects(tenant, facts):
            manifest = each.manifest
            if manifest["apiVersion"] == API:
                yield each
            if manifest["kind"] == "LocalQueue" and manifest["metadata"].get("namespace") == wish.namespace:
                name = manifest["metadata"]["name"]
    for each in plain(wish):
        yield _labelled(each, name) if each.manifest["kind"] in WORKLOADS else each


def _labelled(derived: Derived, queue: str) -> Derived:
    metadata = derived.manifest["metadata"]
    labels = {**metadata.get("labels", {}), QUEUE: queue}
    told = f"the LocalQueue of {metadata['namespace']}: it starts when its GPUs are within the quota there"
    why = {**derived.why, f"/metadata/labels/{QUEUE.replace('/', '~1')}": told}
    return Derived({**derived.manifest, "metadata": {**metadata, "labels": labels}}, why, derived.note)
