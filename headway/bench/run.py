"""A run from the main thread of a program: the coroutine of `conduct`, driven to its end."""

from __future__ import annotations

from collections.abc import Callable

from headway.bench.conduct import conduct
from headway.bench.facts import RunFacts
from headway.bench.plan import Progress, RunPlan
from headway.bench.record import Record

__all__ = ["run"]


def run(
    plan: RunPlan, sink: Callable[[Record], None], *, watch: Callable[[Progress], bool | None] | None = None
) -> RunFacts:
    """As `conduct`. Ctrl-C and SIGTERM end it, and it returns what there is, `interrupted`."""
    import uvloop  # noqa: PLC0415 (a quarter of the import, and only needed here)

    return uvloop.run(conduct(plan, sink, watch=watch))
