"""Accelerators of the catalogue for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from headway.perf.catalog.accelerator import Accelerator, Prices
from headway.perf.catalog.accelerators import aliases, slice_of

__all__ = ["describe", "record", "table"]


def record(one: Accelerator) -> dict[str, Any]:
    """Bytes, bytes/s, FLOP/s, watts, USD an hour."""
    return asdict(one) | {"also": [] if one.profile else list(aliases(one.name))}


def table(every: Iterable[Accelerator]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("NAME", no_wrap=True)
    for column in ("MEMORY", "BANDWIDTH", "BF16", "FP8", "FP4", "LINK", "NODE", "MIG", "ON DEMAND", "NEOCLOUD", "SPOT"):
        shown.add_column(column, justify="right")
    for one in every:
        shown.add_row(
            one.name,
            f"{one.memory / 2**30:.0f} GiB",
            f"{one.bandwidth / 1e9:.0f} GB/s",
            *(_rate(one.flops.get(dtype)) for dtype in ("bf16", "fp8", "fp4")),
            f"{one.link / 1e9:.0f} GB/s" if one.link else "-",
            str(one.node),
            str(len(one.slices) or "-"),
            *(_price(each) for each in (one.prices.on_demand, one.prices.neocloud, one.prices.spot)),
        )
    return shown


def describe(one: Accelerator) -> str:
    """All about one, a line each; then its slices."""
    capability = f", compute capability {one.capability // 10}.{one.capability % 10}" if one.capability else ""
    rates = ", ".join(f"{dtype} {rate / 1e12:,.4g}" for dtype, rate in one.flops.items())
    link = f"{one.link / 1e9:,.4g} GB/s each way among {one.node}; " if one.link else ""
    what = f"a slice of {one.cut_from}" if one.cut_from else f"{one.vendor} {one.generation}{capability}"
    lines = [
        ("also", "" if one.profile else ", ".join(aliases(one.name))),
        ("memory", f"{one.memory / 2**30:.1f} GiB at {one.bandwidth / 1e9:,.4g} GB/s"),
        ("arithmetic", f"{rates} TFLOP/s, dense"),
        ("links", f"{link}PCIe {one.pcie / 1e9:,.4g} GB/s"),
        ("power", f"{one.power:.0f} W"),
        ("price", prices(one.prices)),
        ("source", one.source),
    ]
    told = [f"{one.name}: {what}", *(f"  {key:<11} {said}" for key, said in lines if said)]
    return "\n".join([*told, *(_slices(one) if one.slices else ())])


def prices(known: Prices) -> str:
    said = [
        f"{price:.2f} {where}"
        for price, where in ((known.on_demand, "on demand"), (known.neocloud, "neocloud"), (known.spot, "spot"))
        if price is not None
    ]
    return f"{', '.join(said)}, USD an hour ({known.date})" if said else "not known; say it in a Site"


def _slices(one: Accelerator) -> list[str]:
    lines = ["", f"  {'SLICE':<10} {'FIT':>3}  {'COMPUTE':>7}  {'MEMORY':>8}  {'BANDWIDTH':>9}  {'PRICE':>5}"]
    for each in one.slices:
        cut = slice_of(one, each.profile)
        price = next((p for p in (cut.prices.neocloud, cut.prices.on_demand) if p is not None), None)
        lines.append(
            f"  {each.profile:<10} {each.most:>3}  {each.compute:>7.1%}  {cut.memory / 2**30:>4.1f} GiB"
            f"  {cut.bandwidth / 1e9:>4.0f} GB/s  {_price(price):>5}"
        )
    return lines


def _rate(flops: float | None) -> str:
    return f"{flops / 1e12:,.0f}" if flops else "-"


def _price(price: float | None) -> str:
    return f"{price:.2f}" if price is not None else "-"
