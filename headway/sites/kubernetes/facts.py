"""What is known of a cluster: the values that decide which objects serve a Model there.

`observe.facts` reads them from a cluster; an export with no cluster at hand takes `UNKNOWN`, or what the user says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["UNKNOWN", "Facts", "Gpus", "NodeFacts", "StorageClass"]


@dataclass(frozen=True, slots=True)
class Gpus:
    """GPUs of one resource name on one node. Memory is bytes of one of them; 0 = not labelled.

    resource: `nvidia.com/gpu`, `amd.com/gpu`, `google.com/tpu`, `nvidia.com/mig-1g.10gb`, or a DRA device class.
    product: the catalogue's name where it is known, else the label's. shares: into how many each GPU is time-sliced
    (1 = whole).
    """

    resource: str
    count: int
    free: int
    product: str = ""
    memory_bytes: int = 0
    shares: int = 1
    dra: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node. `price`: an hour, in the Site's currency, where a label says it; 0 = not known."""

    name: str
    ready: bool = True
    schedulable: bool = True
    arch: str = "amd64"
    cpu: float = 0.0  # cores that pods may take
    free_cpu: float = 0.0
    memory_bytes: int = 0
    free_memory_bytes: int = 0
    gpus: tuple[Gpus, ...] = ()
    spot: bool = False
    price: float = 0.0
    zone: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()  # key, value, effect


@dataclass(frozen=True, slots=True)
class StorageClass:
    name: str
    provisioner: str
    default: bool = False
    shared: bool = False  # can give ReadWriteMany or ReadOnlyMany, so far as its provisioner is known


@dataclass(frozen=True, slots=True)
class Facts:
    """`groups`: the API's `group/version`s that are served, so `has("kueue.x-k8s.io")` asks for what is installed."""

    version: tuple[int, int] = (1, 34)
    groups: frozenset[str] = frozenset()
    nodes: tuple[NodeFacts, ...] = ()
    storage: tuple[StorageClass, ...] = ()
    priority_classes: tuple[str, ...] = ()
    device_classes: tuple[str, ...] = ()  # of DRA
    known: bool = True  # False: nobody looked; what is derived must work on any cluster

    def has(self, group: str) -> bool:
        return any(each.partition("/")[0] == group for each in self.groups)


UNKNOWN = Facts(known=False)
