"""Spot machines: how each platform marks them, and what a pod must say to be let on, or kept off.

Labels: GKE "Spot VMs", EKS "managed node groups", Karpenter "NodePools", AKS "spot node pools". Taints: AKS sets its
own by itself, the others are the usual ones that admins set as those pages advise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["PREFERRED", "never", "only", "tolerations"]

LABELS: Mapping[str, tuple[str, ...]] = {
    "cloud.google.com/gke-spot": ("true",),
    "eks.amazonaws.com/capacityType": ("SPOT",),
    "karpenter.sh/capacity-type": ("spot",),
    "kubernetes.azure.com/scalesetpriority": ("spot",),
    "node.kubernetes.io/lifecycle": ("spot",),
}
WEIGHT = 100
"""Of 1 to 100: before all else that is preferred."""


def only() -> list[list[dict[str, Any]]]:
    """One of these terms must hold."""
    return [[{"key": key, "operator": "In", "values": list(values)}] for key, values in LABELS.items()]


def never() -> list[dict[str, Any]]:
    """All of these must hold; a node without the label fits."""
    return [{"key": key, "operator": "NotIn", "values": list(values)} for key, values in LABELS.items()]


PREFERRED = [{"weight": WEIGHT, "preference": {"matchExpressions": term}} for term in only()]


def tolerations() -> list[dict[str, str]]:
    return [
        {"key": key, "operator": "Equal", "value": values[0], "effect": "NoSchedule"} for key, values in LABELS.items()
    ]
