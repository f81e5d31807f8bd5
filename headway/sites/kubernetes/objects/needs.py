"""Cores and memory that a pod asks for. What is written stands; else by the engine and the size of the weights.

There is no limit of cores: an engine that is throttled in the middle of a step makes every answer of the batch late.
"""

from __future__ import annotations

from typing import Any

from headway.engines.container import Container, PodShape
from headway.errors import UsageError
from headway.perf.catalog.models import architecture
from headway.perf.catalog.parameters import kv_bytes_per_token
from headway.sites.kubernetes.objects.derived import because
from headway.sites.kubernetes.objects.quantity import cores, mebibytes
from headway.spec.revision import Revision

__all__ = ["resources"]

GIB = 1 << 30
PROCESS = 2 * GIB
"""Host memory of an engine's server, and of each worker beside it (as `Vllm.need` has it)."""
UNKNOWN_LLAMA = 4 * GIB
SMALL = {"mock": 128 << 20, "embed": GIB}


def resources(revision: Revision, container: Container, shape: PodShape, weights: int) -> dict[str, Any]:
    """`weights`: bytes; 0 = not known."""
    memory, why = _memory(revision, shape, weights)
    most = memory + weights // shape.pods + container.shared_memory_bytes if shape.gpus else memory
    room = "the same: what is not asked for may be somebody else's at any time"
    if shape.gpus and not revision.memory_bytes:
        room = "and the weights on their way to the GPU, and shared memory"
    limit = revision.memory_bytes or most
    many, why_cores = _cores(revision, shape)
    return {
        "requests": {
            "cpu": because(cores(many), why_cores),
            "memory": because(mebibytes(memory), why),
        },
        "limits": {"memory": because(mebibytes(limit), room)},
    }


def _cores(revision: Revision, shape: PodShape) -> tuple[float, str]:
    if revision.cpu:
        return revision.cpu, "as written"
    if revision.engine == "mock":
        return 0.1, "the mock engine sleeps most of the time"
    if shape.gpus:
        return 2.0 + shape.gpus, "two for the server, one for each GPU's worker"
    return (4.0, "vLLM on cores") if revision.engine == "vllm" else (2.0, "two threads of llama-server")


def _memory(revision: Revision, shape: PodShape, weights: int) -> tuple[int, str]:
    if revision.memory_bytes:
        return revision.memory_bytes, "as written"
    if revision.engine in SMALL:
        return SMALL[revision.engine], f"what engine {revision.engine} takes, with room"
    if shape.gpus:
        many = PROCESS * (1 + shape.gpus)
        return many, "2 GiB for the server and each worker; weights and KV cache are in the GPU's memory"
    if not weights:
        return UNKNOWN_LLAMA, "the catalogue does not know how large this model is; memory: says it"
    if revision.engine == "vllm":
        return weights + GIB + PROCESS, f"{weights / 1e9:.1f} GB of weights, 1 GiB of KV cache, 2 GiB of processes"
    cache = _kv(revision)
    return (
        weights + cache + GIB,
        f"{weights / 1e9:.1f} GB of weights, {cache / 1e9:.1f} GB of KV cache, 1 GiB of server",
    )


def _kv(revision: Revision) -> int:
    tokens = int(revision.args.get("ctx-size") or 0)
    try:
        shape = architecture(revision.source.uri.rpartition("/")[2] if "://" in revision.source.uri else "")
    except UsageError:
        return GIB
    return int(kv_bytes_per_token(shape) * tokens)
