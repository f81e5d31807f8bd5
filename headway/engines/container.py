"""How an engine runs in a container: the values that a cluster's objects are derived from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["GGUF", "INDEX", "LEADER", "SCRATCH", "WEIGHTS", "Container", "PodShape", "Vendor"]

Vendor = Literal["nvidia", "amd", "google", ""]

WEIGHTS = "/models"
"""Where the weights lie in the container, read-only, whatever brought them there."""

GGUF = f"{WEIGHTS}/model.gguf"
"""The file that llama-server is given where the source does not name one."""

SCRATCH = "/scratch"
"""Home, caches and compiled kernels of an engine: the one folder besides /tmp that it may write."""

LEADER, INDEX = "$(HEADWAY_LEADER)", "$(HEADWAY_INDEX)"
"""In `args` of a group of pods: the first pod's address, and this pod's number. Kubernetes puts the values in."""


@dataclass(frozen=True, slots=True)
class PodShape:
    """What one pod has. `share` of each GPU is its own; `pods` of them are one Replica. `streams`: no weights lie under
    WEIGHTS, the engine reads them from the bucket."""

    gpus: int = 0
    vendor: Vendor = ""
    share: float = 1.0
    pods: int = 1
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """`image` with a tag (the user's `image:` wins). `args` refer to the weights under WEIGHTS.

    worker_args: added on all pods of a Replica but the first, where it has several.
    writable: paths the engine must write, mounted as node disk; everything else is read-only.
    shared_memory_bytes: /dev/shm, which tensor parallelism needs. uid: that the image can run as without root.
    streams: it can read these sources by itself (s3, gs), so no cache need bring them.
    form: of the weights: a folder of safetensors, a GGUF file, an embedder that is made GGUF; empty: it needs none.
    busy: a Prometheus series of requests that run, which the drain hook waits for to be 0.
    looks: the program in the image with which that hook reads `metrics_path`.
    """

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    port: int
    ready_path: str
    metrics_path: str | None
    env: Mapping[str, str] = field(default_factory=dict)  # `secret:NAME/KEY` by name, never a value
    worker_args: tuple[str, ...] = ()
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a mount of its own in the container
    shared_memory_bytes: int = 0
    uid: int = 1000
    streams: tuple[str, ...] = ()
    form: Literal["", "folder", "gguf", "bert"] = "folder"
    busy: str = ""
    looks: Literal["python3", "curl"] = "python3"
