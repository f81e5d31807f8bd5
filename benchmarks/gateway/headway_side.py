"""Headway as the benchmark starts it: the only file here that knows the routing table and the gateway's flags."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.gateway.compiled import ROOT, compiled_headway
from benchmarks.gateway.launch import Launch, Place, Start
from headway import __version__
from headway.gateway.table import Endpoint, KeyEntry, ModelRoute, RoutingTable, TenantRule, TokenPrice, write_table

__all__ = ["HEADWAY"]

KEY = "hw-the-benchmark-has-a-key-too"
PLENTY = 10**15
"""A limit that is looked at and never reached."""


def bare(place: Place) -> RoutingTable:
    """One open model and the cheapest policy."""
    endpoints = tuple(Endpoint(url=url) for url in place.urls)
    return RoutingTable(1, (ModelRoute("bench", "chat", endpoints, policy="round_robin"),))


def everything(place: Place) -> RoutingTable:
    """A key, a Tenant with every limit there is, prices, the fair line, and the policy that predicts."""
    endpoints = tuple(Endpoint(url=url) for url in place.urls)
    price = TokenPrice(input=200_000, cached=50_000, output=600_000)
    model = ModelRoute("bench", "chat", endpoints, price=price, capacity=10_000)
    tenant = TenantRule(
        "team",
        models=("bench",),
        rpm=PLENTY,
        tpm=PLENTY,
        parallel=PLENTY,
        day_tokens=PLENTY,
        day_micros=PLENTY,
        month_tokens=PLENTY,
        month_micros=PLENTY,
    )
    key = KeyEntry(hashlib.sha256(KEY.encode()).hexdigest(), "bench", "team")
    return RoutingTable(1, (model,), (tenant,), (key,))


def command(python: Path, place: Place, written: Path) -> tuple[str, ...]:
    listen = ("--port", str(place.port), "--workers", "1", "--socket", str(place.folder / "g.sock"))
    ledger = ("--ledger", str(place.folder / "ledger.db"))
    return (str(python), "-P", "-m", "headway.gateway", "--table", str(written), *listen, *ledger)


def _headway(*, full: bool, compiled: bool) -> Start:
    def start(place: Place) -> Launch:
        python = compiled_headway(place.cache) if compiled else Path(sys.executable)
        write_table(place.folder / "table.json", everything(place) if full else bare(place))
        what = "keys, every limit, prices, fair line, predicted latency" if full else "round robin, no tenants"
        note = f"{what}, metering, metrics; {'compiled' if compiled else 'pure Python'}"
        environment = {"PYTHONPATH": "" if compiled else str(ROOT)}  # a caller's own would hide what is compiled
        argv = command(python, place, place.folder / "table.json")
        return Launch(argv, f"headway {__version__}", environment, KEY if full else "", note)

    return start


HEADWAY: Mapping[str, Start] = MappingProxyType(
    {
        "headway": _headway(full=True, compiled=True),
        "headway-bare": _headway(full=False, compiled=True),
        "headway-pure": _headway(full=True, compiled=False),
    }
)
