"""One run: the crew is started, sends, and is brought home; what it saw goes to the sink."""

from __future__ import annotations

from collections.abc import Callable

from headway.bench.facts import RunFacts
from headway.bench.plan import Progress, RunPlan
from headway.bench.record import Record

__all__ = ["conduct"]


async def conduct(
    plan: RunPlan, sink: Callable[[Record], None], *, watch: Callable[[Progress], bool | None] | None = None
) -> RunFacts:
    """`sink` gets every Record within half a second of its request's end; `watch` is asked four times a second, and
    True ends the sending. Raises UnreachableError or HeadwayError before any load, and whatever the sink raises."""
    raise NotImplementedError
