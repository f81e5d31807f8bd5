"""Another look at how constants are carried from Hopper to Ampere: Splitwise's table of an older engine on both.

That engine is slower than today's by a factor that its own work explains; what matters here is that the factor is the
same on A100 and on H100, for prompts and for tokens. Nothing is fitted on it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.constants import Constants
from headway.perf.setting import Setting
from headway.perf.step.step import step_of

__all__ = ["Carried", "older"]

MODELS = {"llama2-70b": "meta-llama/Llama-2-70b-hf", "bloom-176b": "bigscience/bloom-176b"}
SYSTEMS = {"a100-80gb": "a100_sxm", "h100-80gb": "h100_sxm"}


@dataclass(frozen=True, slots=True)
class Carried:
    """Measured over predicted, on the median, on A100 and on H100: of a prompt and of a token."""

    model: str
    tensor: int
    prompt: tuple[float, float]
    token: tuple[float, float]


def older(folder: Path, by: Constants) -> Iterator[Carried]:
    """Nothing, where the table is not there."""
    file = folder / "perf" / "splitwise_llama2_bloom.csv"
    if not file.is_file():
        return
    ratios: dict[tuple[str, int], dict[str, list[tuple[float, float]]]] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["model"] in MODELS and row["hardware"] in SYSTEMS:
                key = row["model"], int(row["tensor_parallel"])
                ratios.setdefault(key, {}).setdefault(row["hardware"], []).append(_ratios(row, by))
    for (model, tensor), of in sorted(ratios.items()):
        if len(of) == len(SYSTEMS):
            prompt, token = ([median(each[i] for each in of[name]) for name in SYSTEMS] for i in (0, 1))
            yield Carried(model, tensor, (prompt[0], prompt[1]), (token[0], token[1]))


def _ratios(row: dict[str, str], by: Constants) -> tuple[float, float]:
    setting = Setting(
        architecture(MODELS[row["model"]]), accelerator(SYSTEMS[row["hardware"]]), tensor=int(row["tensor_parallel"])
    )
    step = step_of(setting, by)
    batch, prompt, output = int(row["batch_size"]), int(row["prompt_size"]), int(row["token_size"])
    first = step.seconds(batch * prompt, batch * prompt**2 / 2, batch, 0, 0.0)
    token = step.seconds(0, 0.0, 0, batch, batch * (prompt + output / 2))
    return float(row["prompt_time"]) / 1e3 / first, float(row["token_time"]) / 1e3 / token
