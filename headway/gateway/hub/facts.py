"""What the hub itself knows and tells in /metrics, besides what its workers count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.engines.signals import Signals
from headway.gateway.hub.vault import ShelfFigures
from headway.gateway.table import ModelRoute
from headway.store.treasury import Standing

__all__ = ["Facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """`engines`: what each endpoint said of itself, by id. `lines`: how many wait for a place, by model.
    `ledger_behind`: seconds since the ledger was reached; `unheard`: since the API server of a cluster was. `logged`
    and `unlogged`: requests that are in the request log, and that should have been."""

    models: tuple[ModelRoute, ...] = ()
    engines: Mapping[str, Signals] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    standing: tuple[Standing, ...] = ()
    ledger_behind: float = 0.0
    unheard: float = 0.0
    logged: int = 0
    unlogged: int = 0
    shelves: tuple[ShelfFigures, ...] = ()
    spans: Mapping[str, int] = field(default_factory=dict)  # exported, dropped, refused -> how many
