"""Headway as the benchmark starts it: the only file here that knows the routing table and the gateway's flags."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from benchmarks.gateway.launch import Launch, Place, Start
from headway import __version__
from headway.gateway.table import Endpoint, ModelRoute, RoutingTable, write_table

__all__ = ["HEADWAY"]

Policy = Literal["predicted_latency", "round_robin"]
ROOT = Path(__file__).resolve().parents[2]


def table(place: Place, everything: bool) -> tuple[RoutingTable, str, str]:
    """The table, the key that callers must send, and what is switched on.

    `everything` is the smart policy over the prefix index, and is to have tenants, keys and limits as soon as the table
    knows them (until then the note says that they are absent). Bare is one open model and the cheapest policy.
    """
    endpoints = tuple(Endpoint(url=url) for url in place.urls)
    policy: Policy = "predicted_latency" if everything else "round_robin"
    absent = "; tenants, keys, limits and the fair queue are not in this table yet" if everything else ""
    note = f"{policy}, metering, metrics{absent}"
    return RoutingTable(1, (ModelRoute("bench", "chat", endpoints, policy=policy),)), "", note


def command(place: Place, written: Path) -> tuple[str, ...]:
    listen = ("--port", str(place.port), "--workers", "1", "--socket", str(place.folder / "g.sock"))
    return (sys.executable, "-m", "headway.gateway", "--table", str(written), *listen)


def _headway(everything: bool) -> Start:
    def start(place: Place) -> Launch:
        routing, key, note = table(place, everything)
        write_table(place.folder / "table.json", routing)
        argv = command(place, place.folder / "table.json")
        return Launch(argv, f"headway {__version__}", {"PYTHONPATH": str(ROOT)}, key, note)

    return start


HEADWAY: Mapping[str, Start] = MappingProxyType({"headway": _headway(True), "headway-bare": _headway(False)})
