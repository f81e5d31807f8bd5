"""How long a new replica takes from being asked for to its first answer, on a machine that is there.

Weights are read once (from a local disk, at LOAD bytes a second, by all accelerators of the replica together), then the
engine starts: memory profiling, compilation, CUDA graphs. Both constants are chosen so that Qwen3-32B in bf16 (65.5 GB)
takes the 85 s that llm-d measured for it on H100 (llm-d pull request 2492). What a cloud takes to give a machine, and
the pull of an image, come on top. llama.cpp maps its file and is ready in the time of reading it.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.perf.setting import EngineFamily

__all__ = ["SOURCE", "ColdStart", "cold_start"]

LOAD = 2e9
"""Bytes/s: a local NVMe disk, read by one process."""
START = {"vllm": 52.0, "sglang": 52.0, "trtllm": 52.0, "llamacpp": 1.0}
SOURCE = "weights at 2 GB/s; engine start so that Qwen3-32B takes the 85 s of llm-d's measurement (pull request 2492)"


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds."""

    load: float
    start: float

    @property
    def seconds(self) -> float:
        return self.load + self.start


def cold_start(weights: float, engine: EngineFamily) -> ColdStart:
    """`weights`: bytes, of a whole replica."""
    return ColdStart(weights / LOAD, START[engine])
