"""How one proxy is started; what peers.py and headway_side.py give and rounds.py uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Launch", "Place", "Start"]


@dataclass(frozen=True, slots=True)
class Place:
    """What a proxy is given."""

    folder: Path
    """Its own, for configuration and sockets; deleted afterwards."""
    cache: Path
    port: int
    """To listen on."""
    side_port: int
    """Free too, for those that insist on serving metrics elsewhere."""
    endpoints: tuple[int, ...]
    """Ports of the backend, on 127.0.0.1."""

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.endpoints]


@dataclass(frozen=True, slots=True)
class Launch:
    argv: tuple[str, ...]
    version: str
    env: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """What callers must send as a bearer token."""
    note: str = ""
    """What a reader of the table must know of how it was set up."""


Start = Callable[[Place], Launch]
"""Writes the configuration and says how to start; raises Missing where the proxy cannot be had."""
