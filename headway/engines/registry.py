"""Which engines there are, which one serves a Model, and what exactly a Model's Revision is.

Engines are imported when they are asked for: a command that needs none should not wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from headway.engines.base import Engine, Settled
from headway.errors import SpecError, UsageError
from headway.spec.model import EngineName, Model
from headway.spec.revision import Pinned, Revision

__all__ = ["Revised", "choose", "get", "names", "revise", "revise_elsewhere"]

_PLACES: dict[str, tuple[str, str]] = {
    "llamacpp": ("headway.engines.llamacpp", "LlamaCpp"),
    "embed": ("headway.engines.embed", "Embed"),
    "vllm": ("headway.engines.vllm", "Vllm"),
    "sglang": ("headway.engines.sglang", "SgLang"),
    "openai": ("headway.engines.openai", "OpenAI"),
    "mock": ("headway.engines.mock", "MockEngine"),
}


@dataclass(frozen=True, slots=True)
class Revised:
    """A Revision, and for each value in it that was derived the reason: field -> `value: why`."""

    revision: Revision
    derived: dict[str, str]


def names() -> tuple[str, ...]:
    return tuple(_PLACES)


@cache
def get(name: str) -> Engine:
    """The engine of that name."""
    place = _PLACES.get(name)
    if place is None:
        raise UsageError(f"no engine {name!r}", hint=f"use one of {', '.join(_PLACES)}")
    engine: Engine = getattr(import_module(place[0]), place[1])()
    return engine


def choose(model: Model) -> tuple[EngineName, str]:
    """The engine for a Model and why. May ask the hub."""
    if model.engine:
        return model.engine, "as written"
    from headway.engines import choice  # noqa: PLC0415

    return choice.choose(model)


def revise(model: Model, variant: str = "") -> Revised:
    """Fix everything: engine, exact content, task, arguments. Blocks; raises the HeadwayError that says what
    is wrong. `model` is as this Variant of it is served (`Model.ways`)."""
    name, why = choose(model)
    engine = get(name)
    pinned = engine.pin(model)
    return _revised(model, variant, (name, why), (pinned, engine.settle(model, pinned)), {})


def revise_elsewhere(model: Model, variant: str = "") -> Revised:
    """Likewise for a cluster, whose pods fetch the weights: nothing is looked up, so it is the same on every machine.
    Raises the HeadwayError that says what is wrong."""
    from headway.engines import elsewhere  # noqa: PLC0415

    name, why = (model.engine, "") if model.engine else elsewhere.engine_of(model)
    said: dict[str, Any] = {"image": model.image, "priority": model.priority, "pod": model.pod}
    if model.cost is not None and model.cost.spot:
        said["spot"] = model.cost.spot
    if model.weights is not None:
        said["weights"] = model.weights.model_dump(mode="json", exclude_none=True)
    if model.deadlines is not None and model.deadlines.whole:
        said["drain"] = model.deadlines.whole  # a Replica that leaves waits so long for its answers
    place = {key: value for key, value in said.items() if value}
    return _revised(model, variant, (name, why), get(name).elsewhere(model), place)


def _revised(
    model: Model,
    variant: str,
    chosen: tuple[EngineName, str],
    fixed: tuple[Pinned, Settled],
    place: Mapping[str, Any],
) -> Revised:
    (name, why), (pinned, settled) = chosen, fixed
    capabilities = get(name).capabilities
    if settled.task not in capabilities.tasks:
        able = ", ".join(capabilities.tasks)
        raise SpecError(f"engine {name} does no {settled.task}", hint=f"it does {able}", field="task")
    derived = dict(settled.why) if model.engine else {"engine": f"{name}: {why}", **settled.why}
    revision = Revision(
        model=model.name,
        engine=name,
        source=pinned,
        task=settled.task,
        gpu=model.gpu or "",
        cpu=model.cpu,
        memory_bytes=model.memory,
        args=dict(settled.args),
        env=dict(model.env),
        variant=variant,
        place=place,
    )
    return Revised(revision, derived)
