"""The level `restricted` of Kubernetes' Pod Security Standards, and a root file system that is not written."""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.objects.derived import because

__all__ = ["ALONE", "WRITES_ROOT", "container_security", "pod_security"]

WRITES_ROOT: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of a container whose pod says nothing, `restricted` still; its root file system stays writable."""
ALONE: dict[str, Any] = {**WRITES_ROOT, "readOnlyRootFilesystem": True}
"""Likewise, and it writes to mounts only."""


def pod_security(uid: int) -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": because(uid, "a user that the image can run as; none of its rights on the node"),
        "runAsGroup": uid,
        "fsGroup": because(uid, "so that volumes can be written by that user"),
        "fsGroupChangePolicy": because("OnRootMismatch", "a volume full of weights is not walked at each start"),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": because(True, "what the engine must write is mounted; all else stays as it was made"),
    }
