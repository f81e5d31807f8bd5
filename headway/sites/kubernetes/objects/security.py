"""The level `restricted` of Kubernetes' Pod Security Standards, and a root file system that is not written."""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.objects.derived import because

__all__ = ["container_security", "pod_security"]


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
