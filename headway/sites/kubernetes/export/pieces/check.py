"""`--piece device-check`: Jobs that ask for each kind of device that the file asks for, and say what they got."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headway.errors import UsageError
from headway.sites.kubernetes.export.way import Way
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.security import ALONE

__all__ = ["device_checks"]

SECONDS = 600
_BY_VENDOR = {
    "nvidia.com": ("nvidia/cuda:12.9.1-base-ubuntu24.04", ["nvidia-smi", "-L"]),
    "amd.com": ("rocm/dev-ubuntu-24.04:7.0", ["rocm-smi", "--showproductname"]),
}
_SMALL = {"cpu": "100m", "memory": "128Mi"}


def device_checks(wish: Wish) -> Iterator[Derived]:
    found: dict[str, tuple[str, Way]] = {}
    for way in wish.ways:
        for resource in way.pod.engine.get("resources", {}).get("limits", {}):
            if resource.partition("/")[0] in _BY_VENDOR:
                found.setdefault(f"check-{way.name}", (resource, way))
    if not found:
        raise UsageError("--piece device-check: no Model of the file asks for a device", hint="leave the piece out")
    for name, (resource, way) in found.items():
        yield _check(name, resource, way)


def _check(name: str, resource: str, way: Way) -> Derived:
    image, command = _BY_VENDOR[resource.partition("/")[0]]
    container = {
        "name": "check",
        "image": image,
        "command": command,
        "resources": {"requests": _SMALL, "limits": {**_SMALL, resource: "1"}},
        "securityContext": ALONE,
    }
    place: Mapping[str, Any] = way.pod.spec
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        **{key: place[key] for key in ("nodeSelector", "affinity", "tolerations", "runtimeClassName") if key in place},
        "containers": [container],
    }
    spec = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": SECONDS,
        "ttlSecondsAfterFinished": 6 * SECONDS,
        "template": {"metadata": {"labels": {MANAGED: "headway"}}, "spec": pod},
    }
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": way.namespace, "labels": {MANAGED: "headway"}},
        "spec": spec,
    }
    why = {"/spec/activeDeadlineSeconds": "no such device within ten minutes is an answer, too"}
    note = f"Is {resource} there for {way.name}? kubectl logs job/{name}; headway doctor --on SITE asks without a pod."
    return Derived(manifest, why, note)
