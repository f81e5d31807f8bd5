"""How an engine runs in a container: the values that a cluster's objects are derived from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Container"]

WEIGHTS = "/models"
"""Where the weights lie in the container, read-only, whatever brought them there."""


@dataclass(frozen=True, slots=True)
class Container:
    """`image` with a tag (the user's `image:` wins). `args` refer to the weights under WEIGHTS.

    writable: paths the engine must write, mounted as memory-backed or node disk; everything else is read-only.
    shared_memory_bytes: /dev/shm, which tensor parallelism needs. uid: that the image can run as without root.
    fetches: it can load the source by itself (hf://, s3:// streamed), so no cache need bring it.
    """

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    port: int
    ready_path: str
    metrics_path: str | None
    env: Mapping[str, str] = field(default_factory=dict)  # `secret:NAME/KEY` by name, never a value
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a mount of its own in the container
    shared_memory_bytes: int = 0
    uid: int = 1000
    fetches: bool = False
    busy: str = ""  # a Prometheus series of requests that run, which the drain hook waits for to be 0
