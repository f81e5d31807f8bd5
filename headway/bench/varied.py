"""A Workload at another rate, or with one caller alone: what a search and a curve send. Everything else stays as it
is."""

from __future__ import annotations

from typing import Any

from headway.errors import UsageError
from headway.spec.check import workload_from_json
from headway.spec.workload import Workload

__all__ = ["at_rate", "variation", "with_one_caller", "written"]


def written(workload: Workload) -> dict[str, Any]:
    """As it would stand in a file: to be changed, and read again by `workload_from_json`, which checks all of it."""
    data: dict[str, Any] = workload.model_dump(mode="json", exclude_none=True)
    return {key: value for key, value in data.items() if value not in ([], {})}


def variation(workload: Workload) -> float:
    """Of the gaps between arrivals: 0 constant, 1 Poisson."""
    return 1.0 if workload.arrivals is None else workload.arrivals.variation


def at_rate(workload: Workload, rate: float, seconds: float) -> Workload:
    """Raises UsageError for a trace, whose times are its own."""
    data = _without_times(workload)
    pattern = {} if workload.arrivals is None or workload.arrivals.is_closed else _pattern(workload)
    return workload_from_json(data | {"arrivals": {"rate": f"{rate:.6f}/s", **pattern}, "for": f"{seconds:.3f}s"})


def with_one_caller(workload: Workload, requests: int) -> Workload:
    """First questions only: whoever asks alone need not think."""
    data = _without_times(workload)
    data.pop("sessions", None)
    data["mix"] = [{key: value for key, value in part.items() if key != "sessions"} for part in data.get("mix", ())]
    return workload_from_json(data | {"arrivals": {"concurrency": 1}, "requests": requests})


def _without_times(workload: Workload) -> dict[str, Any]:
    if workload.trace is not None:
        raise UsageError(
            f"{workload.name} replays a trace, whose times are its own",
            hint="give a workload with arrivals, or look at other speeds of the trace one by one: --speed 2x",
        )
    data = written(workload)
    for key in ("requests", "for", "warmup"):
        data.pop(key, None)
    return data


def _pattern(workload: Workload) -> dict[str, Any]:
    assert workload.arrivals is not None  # noqa: S101
    arrivals = workload.arrivals
    return {"pattern": arrivals.pattern} | ({} if arrivals.cv is None else {"cv": arrivals.cv})
