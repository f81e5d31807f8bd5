"""What is kept of each mirrored object: only what a pass reads, so that a cluster of thousands of pods fits in little
memory."""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.labels import APP, MODEL
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["node", "own", "pod"]

_POD_SPEC = (
    "nodeName",
    "subdomain",
    "nodeSelector",
    "affinity",
    "tolerations",
    "schedulingGates",
    "resourceClaims",
    "terminationGracePeriodSeconds",
    "overhead",
    "resources",
)
_CONTAINER = ("name", "image", "resources", "restartPolicy")
_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "labels",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def pod(manifest: Manifest) -> Manifest:
    """Of one that is neither a Replica nor an App, only what it takes of its node and whose it is."""
    spec, status = manifest["spec"], manifest.get("status") or {}
    is_ours = MODEL in labels(manifest) or APP in labels(manifest)
    kept: dict[str, Any] = _some(spec, _POD_SPEC if is_ours else ("nodeName", "overhead", "resources"))
    for part in ("containers", "initContainers"):
        if part in spec:
            kept[part] = [_some(each, _CONTAINER) for each in spec[part]]
    said = status if is_ours else _some(status, ("phase",))
    return _bare(manifest) | {"spec": kept, "status": said}


def node(manifest: Manifest) -> Manifest:
    status = manifest.get("status") or {}
    conditions = [_some(each, ("type", "status")) for each in status.get("conditions") or ()]
    said = _some(status, ("allocatable", "nodeInfo")) | {"conditions": conditions}
    return _bare(manifest) | {"spec": _some(manifest.get("spec") or {}, ("unschedulable", "taints")), "status": said}


def own(manifest: Manifest) -> Manifest:
    """Of Headway's own kinds: without who wrote what."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    return manifest | {"metadata": metadata}


def _bare(manifest: Manifest) -> Manifest:
    metadata = _some(manifest["metadata"], _METADATA)
    if named := (manifest["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container"):
        metadata["annotations"] = {"kubectl.kubernetes.io/default-container": named}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}


def _some(whole: Manifest, names: tuple[str, ...]) -> Manifest:
    return {name: whole[name] for name in names if name in whole}
