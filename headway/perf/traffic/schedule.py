"""From a Workload to its Traffic: pure and seeded, the one way for `bench`, `plan` and `simulate`.

What is promised: the same workload, seed and trace give the same requests at the same times, on every machine and
Python; a longer run begins with the shorter one; each thing that is drawn (times, lengths, prefixes, ...) has a stream
of random numbers of its own, so that to change one leaves the others as they were.
"""

from __future__ import annotations

from headway.errors import UsageError
from headway.perf.traffic.closed_loop import ClosedLoop
from headway.perf.traffic.open_loop import OpenLoop
from headway.perf.traffic.planned import Traffic
from headway.perf.traffic.replay import Replay
from headway.perf.traffic.trace import Trace
from headway.spec.workload import Workload

__all__ = ["traffic"]


def traffic(workload: Workload, trace: Trace | None = None, *, seed: int | None = None) -> Traffic:
    """`trace`: what `workload.trace` names, opened by `wire.traces.trace_of`. `seed`: in place of the workload's.

    Raises UsageError without it; of a trace, its stages and requests raise the HeadwayError of a line that cannot be
    read.
    """
    seed = workload.seed if seed is None else seed
    if workload.trace is not None:
        if trace is None:
            message = f"{workload.name} replays {workload.trace.file}"
            raise UsageError(message, hint="hand the trace over that headway.wire.traces.trace_of reads")
        return Replay(workload, workload.trace, trace, seed)
    if workload.arrivals is not None and workload.arrivals.is_closed:
        return ClosedLoop(workload, workload.arrivals, seed)
    if workload.arrivals is None:
        raise UsageError(f"{workload.name} says not when requests come", hint="write arrivals: {rate: 20/s}")
    return OpenLoop(workload, workload.arrivals, seed)
