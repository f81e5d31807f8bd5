"""Runs with speculative decoding, which no column tells of: inferred, from two clusters of rows.

InferenceMAX ran DeepSeek-R1 on TensorRT-LLM with and without its heads for multi-token prediction (DeepSeek-V3, arXiv
2412.19437, section 2.2). On H200 its dumps have equal rows in two clusters, TPOT 1.4 to 1.9 times apart, more on long
outputs: those with experts spread over ranks are the fast ones. Only such rows are taken for speculating; of
other generations the dumps that were looked at have none, and nothing is inferred.
"""

from __future__ import annotations

from headway.perf.evaluate.row import Measured
from headway.perf.setting import Setting

__all__ = ["tokens_a_step"]

ACCEPTED, LONGER, LENGTH = 1.45, 0.08, 1024
"""Tokens of a step at so long an output, and the power of the output's length by which they grow: medians of the two
clusters' ratios, 1.45 at 1,024 tokens and 1.71 at 8,192."""


def tokens_a_step(row: Measured, setting: Setting) -> float:
    """1: it is not taken for speculating."""
    published = row.harness == "inferencemax" and row.source.startswith("source_file=")
    spread = setting.expert > 1 and setting.data == 1 and bool(setting.model.kv_lora)
    if not (published and spread and row.mode == "agg" and setting.engine == "trtllm"):
        return 1.0
    if setting.accelerator.generation != "Hopper" or "deepseek" not in row.model.lower():
        return 1.0
    return ACCEPTED * float(max(1.0, row.output / LENGTH) ** LONGER)
