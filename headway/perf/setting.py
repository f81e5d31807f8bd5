"""How one replica serves a model: on which accelerators, split how, with which dtypes and engine limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.architecture import Architecture

__all__ = ["EngineFamily", "Setting"]

EngineFamily = Literal["vllm", "sglang", "trtllm", "llamacpp"]


@dataclass(frozen=True, slots=True)
class Setting:
    """`weights`, `expert_weights`, `kv`: dtypes (bf16, fp8, fp8_block, int4, nvfp4, mxfp4, q4_1 …). `tensor`,
    `pipeline`, `data` (attention replicas inside one engine) and `expert` are degrees of parallelism; an engine takes
    `tensor * pipeline * data` accelerators, over which the experts are split `expert` ways and each of them the rest.
    None: as the engine does it by default on such an accelerator.
    """

    model: Architecture
    accelerator: Accelerator
    engine: EngineFamily = "vllm"
    weights: str = "bf16"
    expert_weights: str = ""  # empty: as weights
    kv: str = "bf16"
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1
    memory_share: float | None = None  # of the accelerator's memory that the engine may take
    most_sequences: int | None = None  # that run at once
    token_budget: int | None = None  # tokens of one step, all sequences together
    threads: int | None = None  # of an engine on cores

    @property
    def accelerators(self) -> int:
        return self.tensor * self.pipeline * self.data
