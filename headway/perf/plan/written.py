"""A choice as the document that launches it: what the plan found stands where the user could have written it.

The Model as it was, with the limits that were planned for, GPUs, replicas, engine and the engine's options said.
Planning that document plans just that.
"""

from __future__ import annotations

from typing import Any

from headway.perf.plan.choice import Choice
from headway.perf.plan.goal import Goal
from headway.spec.model import Model, Slo

__all__ = ["options", "written"]


def options(choice: Choice) -> dict[str, Any]:
    """`args` of the engine, vLLM's names; those of llama.cpp on cores."""
    setting, layout = choice.setting, choice.layout
    if setting.engine == "llamacpp":
        return {"parallel": choice.sequences, "ctx-size": choice.context * choice.sequences}
    said: dict[str, Any] = {"tensor-parallel-size": layout.tensor}
    if layout.pipeline > 1:
        said["pipeline-parallel-size"] = layout.pipeline
    if layout.data > 1:
        said["data-parallel-size"] = layout.data
    if layout.expert > 1:
        said["enable-expert-parallel"] = True
    said |= {
        "max-model-len": choice.context,
        "max-num-seqs": choice.sequences,
        "gpu-memory-utilization": setting.memory_share,
    }
    if setting.token_budget is not None:
        said["max-num-batched-tokens"] = setting.token_budget
    if choice.checkpoint.online:
        said["quantization"] = choice.checkpoint.online
    if setting.kv == "fp8":
        said["kv-cache-dtype"] = "fp8"
    if 0 < setting.accelerator.capability < 80:
        said["dtype"] = "half"
    return said


def written(model: Model, choice: Choice, goal: Goal) -> dict[str, Any]:
    """As it would stand in a file: plain values, in the order of the document."""
    accelerator, each = choice.offer.accelerator, choice.layout.accelerators
    if accelerator.profile:
        gpu = f"mig-{accelerator.profile}"
    elif choice.setting.engine == "llamacpp":
        gpu = "cpu"
    else:
        gpu = accelerator.name if each == 1 else f"{accelerator.name}:{each}"
    if goal.ttft is not None or goal.itl is not None:
        model = model.model_copy(update={"slo": Slo.model_construct(ttft=goal.ttft, itl=goal.itl)})
    data: dict[str, Any] = model.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    laid = {
        "kind": "Model",
        "name": model.name,
        "source": f"hf://{choice.checkpoint.source}" if choice.checkpoint.source else model.source,
        "engine": choice.setting.engine,
        "replicas": choice.replicas.all,
        "gpu": gpu,
        "args": {**model.args, **options(choice)},
    }
    rest = {key: value for key, value in data.items() if key not in (*laid, "variants", "profiles")}
    return {**laid, **rest}
