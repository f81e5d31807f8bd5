"""The numbers that decided, as phrases: `TTFT p95 610 ms > 500 ms`."""

from __future__ import annotations

from math import inf

from headway.perf.plan.goal import Miss
from headway.perf.plan.played import Played

__all__ = ["FIGURES", "seconds", "told_miss", "told_played", "told_room", "told_weights"]

FIGURES = {"ttft": "TTFT p95", "itl": "ITL p95", "tpot": "TPOT", "e2e": "E2E p95"}


def told_miss(miss: Miss, when: str = "") -> str:
    if miss.figure == "load":
        return "more requests come than it bears"
    return f"{FIGURES[miss.figure]} {seconds(miss.value)} > {seconds(miss.limit)}" + (f" {when}" if when else "")


def told_played(played: Played) -> str:
    return f"TTFT p95 {seconds(played.ttft_p95)}, ITL p95 {seconds(played.itl_p95)}"


def told_room(there: int, wanted: int) -> str:
    return f"room for {there:,} tokens of keys and values, one request may have {wanted:,}"


def told_weights(label: str, weights: float, memory: float, each: int) -> str:
    return f"{weights / 1e9:,.0f} GB of weights ({label}) and the engine, in {each} x {memory / 1e9:.0f} GB of memory"


def seconds(value: float) -> str:
    """610 ms, 4.5 ms, 1.24 s"""
    if value == inf:
        return "never"
    if value < 0.001:
        return f"{value * 1e6:.3g} us"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.00995 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 99.5 else f"{value:,.0f} s"
