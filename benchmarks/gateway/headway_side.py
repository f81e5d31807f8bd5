"""Headway as the benchmark starts it: the only file here that knows the routing table and the gateway's flags."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.gateway.launch import Launch, Place, Start
from headway import __version__
from headway.gateway.table import Endpoint, ModelRoute, RoutingTable, write_table

__all__ = ["HEADWAY"]

ROOT = Path(__file__).resolve().parents[2]


def table(place: Place, everything: bool) -> tuple[RoutingTable, str, str]:
    """The table, the key that callers must send, and what is switched on.

    `everything` will add tenants, keys and limits and choose the smart policy; bare is one open model and the cheapest
    policy. Until the table can say so, the two differ in nothing, and the note says that.
    """
    endpoints = tuple(Endpoint(f"e-{n}.1", f"e-{n}", "r", url) for n, url in enumerate(place.urls))
    routes = (ModelRoute("bench", "chat", endpoints),)
    note = "as bare: this table knows no tenants yet" if everything else "one open model"
    return RoutingTable(1, routes), "", note


def command(place: Place, written: Path) -> tuple[str, ...]:
    listen = ("--port", str(place.port), "--socket", str(place.folder / "g.sock"))
    return (sys.executable, "-m", "headway.gateway", "--table", str(written), *listen)


def _headway(everything: bool) -> Start:
    def start(place: Place) -> Launch:
        routing, key, note = table(place, everything)
        write_table(place.folder / "table.json", routing)
        argv = command(place, place.folder / "table.json")
        return Launch(argv, f"headway {__version__}", {"PYTHONPATH": str(ROOT)}, key, note)

    return start


HEADWAY: Mapping[str, Start] = MappingProxyType({"headway": _headway(True), "headway-bare": _headway(False)})
