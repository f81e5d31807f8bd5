"""The schedule of a run, the same in every process of it, and which part of it a process has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headway.errors import UsageError
from headway.perf.traffic.planned import Planned, Traffic
from headway.perf.traffic.schedule import traffic
from headway.spec.workload import Workload
from headway.wire.traces import trace_of

__all__ = ["share_of", "traffic_of"]


def traffic_of(workload: Workload, trace: Path | None, seed: int | None) -> Traffic:
    """`trace`: the file in place of the one that the Workload names. Raises HeadwayError: a trace that cannot be
    read."""
    if trace is not None:
        if workload.trace is None:
            raise UsageError(f"{workload.name} replays no trace", hint="write trace: {file: ...} in the Workload")
        named = workload.trace.model_copy(update={"file": str(trace)})
        workload = workload.model_copy(update={"trace": named})
    return traffic(workload, trace_of(workload), seed=seed)


def share_of(planned: Iterator[Planned], number: int, of: int) -> Iterator[Planned]:
    """What worker `number` of so many sends: whole sessions, so that nobody has to be told of another's answers."""
    if of == 1:
        return planned
    return (one for one in planned if (one.session if one.session >= 0 else one.number) % of == number)
