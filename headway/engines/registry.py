"""Which engines there are."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from headway.engines.base import Engine
from headway.errors import UsageError

__all__ = ["get", "names"]

_PLACES = {
    "mock": ("headway.engines.mock", "MockEngine"),
}


def names() -> tuple[str, ...]:
    return tuple(_PLACES)


@cache
def get(name: str) -> Engine:
    """The engine of that name. Its module is imported here and not before."""
    place = _PLACES.get(name)
    if place is None:
        raise UsageError(f"no engine {name!r}", hint=f"use one of {', '.join(_PLACES)}")
    engine: Engine = getattr(import_module(place[0]), place[1])()
    return engine
