"""What vLLM and SGLang share in a pod: a folder of safetensors, a split over GPUs and pods, a home of their own."""

from __future__ import annotations

from typing import Any

from headway.engines.container import INDEX, LEADER, SCRATCH, WEIGHTS, PodShape
from headway.engines.elsewhere import refuse
from headway.errors import SourceError
from headway.spec.source import Source

__all__ = ["PORT_OF_GROUP", "SHARED_MEMORY", "check", "home", "joining", "path", "sharing"]

SHARED_MEMORY = 8 << 30
"""Bytes of /dev/shm for NCCL between the GPUs of a pod; Docker's 64 MB end in a bus error."""

PORT_OF_GROUP = 5757
"""Where the first pod of a Replica hears the others."""

OF_GPU = 0.9
"""Of a GPU's memory an engine takes so much where it has the GPU alone (the default of both)."""


def check(source: Source, engine: str) -> None:
    """Raises SourceError for what holds no folder of safetensors."""
    if source.scheme in ("builtin", "openai", "ollama"):
        raise refuse(source, engine, "hf://, s3://, gs://, pvc://, oci:// or file://")
    if (source.file or source.path).endswith(".gguf"):
        raise SourceError(f"{source} is a GGUF file", hint="use engine: llamacpp")


def path(source: Source, *, streams: bool = False) -> str:
    if streams:
        return str(source)
    return source.path if source.scheme == "file" else WEIGHTS


def sharing(shape: PodShape, tensor: str, memory: str) -> dict[str, Any]:
    """The flags of these names."""
    said: dict[str, Any] = {tensor: shape.gpus} if shape.gpus > 1 else {}
    return said | ({memory: round(OF_GPU * shape.share, 3)} if shape.share < 1 else {})


def joining(shape: PodShape, address: str) -> dict[str, Any]:
    """How the pods of one Replica find each other; `address`: the flag for the first one's."""
    where = f"{LEADER}:{PORT_OF_GROUP}" if address == "dist-init-addr" else LEADER
    return {"nnodes": shape.pods, "node-rank": INDEX, address: where}


def home(user: str) -> dict[str, str]:
    """torch asks for the user's name at import, which an image need not know (pytorch's cache_dir_utils)."""
    return {
        "HOME": SCRATCH,
        "USER": user,
        "XDG_CACHE_HOME": f"{SCRATCH}/cache",
        "TRITON_CACHE_DIR": f"{SCRATCH}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{SCRATCH}/inductor",
    }
