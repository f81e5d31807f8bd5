"""Nodes as device plugins and GPU feature discovery describe them: labels, extended resources, taints.

The labels are NVIDIA's (github.com/NVIDIA/k8s-device-plugin, "gpu-feature-discovery"), the resource names those that
the device plugin registers: `nvidia.com/gpu`, with mixed MIG `nvidia.com/mig-1g.10gb`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.wire.kube.manifest import Manifest

__all__ = ["cpu_node", "gpu_node", "mig_node"]

GPU = "nvidia.com/gpu"
PRODUCTS = {  # as gpu-feature-discovery names them -> MiB of memory
    "NVIDIA-H100-80GB-HBM3": 81559,
    "NVIDIA-A100-SXM4-80GB": 81920,
    "NVIDIA-A100-SXM4-40GB": 40960,
    "NVIDIA-L40S": 46068,
    "NVIDIA-L4": 23034,
    "Tesla-T4": 15360,
}


def cpu_node(
    name: str, *, cpu: float = 32, memory: str = "128Gi", labels: Mapping[str, str] | None = None,
    taints: tuple[tuple[str, str, str], ...] = (), resources: Mapping[str, Any] | None = None,
) -> Manifest:  # fmt: skip
    """`resources`: more of them, by name. A taint is key, value, effect."""
    known = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    room = {"cpu": str(cpu), "memory": memory, "pods": "250", "ephemeral-storage": "500Gi"}
    room |= {key: str(value) for key, value in (resources or {}).items()}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": known | dict(labels or {})},
        "spec": {"taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in taints]},
        "status": {"capacity": room, "allocatable": room},
    }


def gpu_node(
    name: str, count: int = 8, product: str = "NVIDIA-H100-80GB-HBM3", *, shares: int = 1, spot: bool = False,
    tainted: bool = True, labels: Mapping[str, str] | None = None, **more: Any,
) -> Manifest:  # fmt: skip
    """`shares`: into how many time-slices each GPU is cut. `spot`: as GKE labels and taints such nodes."""
    said = {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": product + ("-SHARED" if shares > 1 else ""),
        "nvidia.com/gpu.memory": str(PRODUCTS[product]),
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.replicas": str(shares),
        "nvidia.com/gpu.sharing-strategy": "time-slicing" if shares > 1 else "none",
        "nvidia.com/mig.capable": str(product.startswith(("NVIDIA-H100", "NVIDIA-A100"))).lower(),
    }
    taints = ((GPU, "present", "NoSchedule"),) if tainted else ()
    if spot:
        said["cloud.google.com/gke-spot"] = "true"
        taints += (("cloud.google.com/gke-spot", "true", "NoSchedule"),)
    given = {"labels": said | dict(labels or {}), "taints": taints, "resources": {GPU: count * shares}}
    return cpu_node(name, **(given | more))


def mig_node(
    name: str, slices: Mapping[str, int], product: str = "NVIDIA-A100-SXM4-80GB", *, tainted: bool = True,
    labels: Mapping[str, str] | None = None, **more: Any,
) -> Manifest:  # fmt: skip
    """Mixed strategy: `{"1g.10gb": 7}` of each profile on all GPUs of the node together."""
    said = {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.memory": str(PRODUCTS[product]),
        "nvidia.com/mig.capable": "true",
        "nvidia.com/mig.strategy": "mixed",
    }
    for profile, count in slices.items():
        memory = int(profile.partition(".")[2].removesuffix("gb")) * 1024 * 95 // 100
        said |= {
            f"nvidia.com/mig-{profile}.count": str(count),
            f"nvidia.com/mig-{profile}.product": f"{product}-MIG-{profile}",
            f"nvidia.com/mig-{profile}.memory": str(memory),
        }
    given = {
        "labels": said | dict(labels or {}),
        "taints": ((GPU, "present", "NoSchedule"),) if tainted else (),
        "resources": {f"nvidia.com/mig-{profile}": count for profile, count in slices.items()},
    }
    return cpu_node(name, **(given | more))
