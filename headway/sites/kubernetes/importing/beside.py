"""What stands beside a workload and bears on it: the scaler that owns its replicas, and the claims that it mounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.wire.kube.manifest import Manifest

__all__ = ["Mounted", "mounted", "replicas"]


def replicas(workload: Manifest, beside: Iterable[Manifest]) -> str | int:
    """A number, or the range of the HPA or ScaledObject that points at it."""
    for each in beside:
        spec = each.get("spec") or {}
        target = spec.get("scaleTargetRef") or {}
        if target.get("name") != workload["metadata"]["name"] or _namespace(each) != _namespace(workload):
            continue
        if target.get("kind", "Deployment") != workload["kind"]:
            continue
        if each["kind"] == "HorizontalPodAutoscaler":
            return _range(spec.get("minReplicas", 1), spec.get("maxReplicas", 1))
        if each["kind"] == "ScaledObject":
            least = spec.get("idleReplicaCount", spec.get("minReplicaCount", 0))
            return _range(least, spec.get("maxReplicaCount", 100))
    found = (workload.get("spec") or {}).get("replicas", 1)
    return int(found)


def _range(low: int, high: int) -> str | int:
    return low if low == high else f"{low}..{high}"


@dataclass(frozen=True, slots=True)
class Mounted:
    """What lies at a path of the container: a claim, a node's folder, an OCI image, or something that is empty first.
    `claim`: the PersistentVolumeClaim or its template, where the file has it."""

    kind: str  # claim, node, image, empty or other
    path: str
    name: str  # of the claim, the folder, the image
    below: str = ""  # subPath
    claim: Manifest | None = None


def mounted(
    pod: Mapping[str, Any], container: Mapping[str, Any], workload: Manifest, beside: Sequence[Manifest]
) -> list[Mounted]:
    """Longest paths first, so that the first that holds a path is the one."""
    volumes = {each["name"]: each for each in pod.get("volumes") or ()}
    templates = {each["metadata"]["name"]: each for each in workload["spec"].get("volumeClaimTemplates") or ()}
    found = []
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"], {})
        kind, name, claim = _what(mount["name"], volume, templates, workload, beside)
        found.append(Mounted(kind, mount["mountPath"].rstrip("/") or "/", name, mount.get("subPath", ""), claim))
    return sorted(found, key=lambda each: -len(each.path))


def _what(
    name: str,
    volume: Mapping[str, Any],
    templates: Mapping[str, Manifest],
    workload: Manifest,
    beside: Sequence[Manifest],
) -> tuple[str, str, Manifest | None]:
    if name in templates:
        return "claim", "", templates[name]
    if "persistentVolumeClaim" in volume:
        called = volume["persistentVolumeClaim"]["claimName"]
        same = (
            each
            for each in beside
            if each["kind"] == "PersistentVolumeClaim"
            and each["metadata"]["name"] == called
            and _namespace(each) == _namespace(workload)
        )
        return "claim", called, next(same, None)
    if "hostPath" in volume:
        return "node", volume["hostPath"]["path"], None
    if "image" in volume:
        return "image", volume["image"].get("reference", ""), None
    return ("empty" if "emptyDir" in volume else "other"), "", None


def _namespace(manifest: Manifest) -> str:
    found: str = manifest["metadata"].get("namespace", "")
    return found
