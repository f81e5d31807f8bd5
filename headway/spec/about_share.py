"""What each field of a Tenant's place on a cluster means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = ["BORROW", "CPU", "GPUS", "MEMORY", "NAMESPACE", "PODS", "QUOTA", "STORAGE"]

NAMESPACE = field_about(
    "Namespace",
    "On a cluster: the namespace that is its own, made if it is not there, where its members may put Models, Routes "
    "and Apps, apart from others by network and quota. It outlives the Tenant. Left out: none; it only calls.",
    "research",
)
QUOTA = field_about(
    "Quota",
    "On a cluster: what may run at once in its namespace. Left out: no limit.",
    {"gpus": 8, "cpu": 64, "memory": "512GB", "storage": "2TB"},
)
GPUS = field_about(
    "GPUs", "Of each kind that the cluster has, whole GPUs and slices counted one by one.", 8, unit="GPUs"
)
CPU = field_about("Cores", "Requested by all its pods.", 64, "500m", unit="cores")
MEMORY = field_about("Memory", "Requested by all its pods.", "512GB", unit="size")
STORAGE = field_about(
    "Storage", "Requested by all its volumes: caches of weights, and what Apps keep.", "2TB", unit="size"
)
PODS = field_about("Pods", "How many there may be.", 50, unit="pods")
BORROW = field_about(
    "Borrow",
    "Where Kueue is installed: true lets it use what other tenants leave idle, until they want it. Without Kueue the "
    "quota is a hard limit.",
    True,
    False,
)
