"""Which engines there are, which one serves a Model, and what exactly a Model's Revision is.

Engines are imported when they are asked for: a command that needs none should not wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from headway.engines.base import Engine
from headway.errors import SpecError, UsageError
from headway.spec.model import EngineName, Model
from headway.spec.revision import Revision

__all__ = ["Revised", "choose", "get", "names", "revise"]

_PLACES: dict[str, tuple[str, str]] = {
    "llamacpp": ("headway.engines.llamacpp", "LlamaCpp"),
    "embed": ("headway.engines.embed", "Embed"),
    "vllm": ("headway.engines.vllm", "Vllm"),
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
    settled = engine.settle(model, pinned)
    if settled.task not in engine.capabilities.tasks:
        able = ", ".join(engine.capabilities.tasks)
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
    )
    return Revised(revision, derived)
