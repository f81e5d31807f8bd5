"""The limits of a Workload as its requests are judged by: each part of a mix has its own."""

from __future__ import annotations

from headway.bench.schema import Slo
from headway.spec.workload import Part, Workload

__all__ = ["limits_of", "patience"]

NAMES = ("ttft", "itl", "tpot", "e2e")


def limits_of(workload: Workload) -> list[Slo]:
    """Empty when it has none. A part is known by its model, tenant, adapter and operation: of two that share all of
    these, the first one's limits count for both."""
    parts = [part for part in workload.parts if part.slo is not None]
    if len(workload.parts) == len(parts) and len({_limits(part) for part in parts}) == 1:
        return [Slo(*_limits(parts[0]))]
    return [
        Slo(*_limits(part), model=part.model, tenant=part.tenant, adapter=part.adapter, operation=part.operation)
        for part in parts
    ]


def patience(limits: list[Slo], alone: float) -> float:
    """Seconds that a request may wait at the most before it misses: the tightest limit on the whole wait; without
    one, as long as a request takes alone."""
    waits = [each for slo in limits for each in (slo.ttft, slo.e2e) if each is not None]
    return min(waits, default=alone)


def _limits(part: Part) -> tuple[float | None, float | None, float | None, float | None]:
    slo = part.slo
    return (None, None, None, None) if slo is None else (slo.ttft, slo.itl, slo.tpot, slo.e2e)
