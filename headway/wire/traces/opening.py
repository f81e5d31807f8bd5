"""A trace file, opened: which format it has, its requests in order, from any moment to any other."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from headway.errors import SpecError
from headway.perf.traffic.trace import Call, Trace
from headway.spec.workload import TraceFormat, Workload
from headway.wire.traces import azure, burstgpt, mooncake, records, request_log, servegen, servegen_folder
from headway.wire.traces.fields import columns_of
from headway.wire.traces.lines import Lines, fault, head

__all__ = ["read_trace", "trace_of"]

MOST_OUT_OF_ORDER = 4096
"""Lines that are held back to put them in order: logs are written when requests end, or by several writers."""
_HEAD = 64 << 10
_LOGS = ("headway", "headway-sampled")
_ALONE = ("azure", "mooncake", "servegen")
"""Without sessions."""
_BY_LINES: dict[TraceFormat, Callable[[Lines], Iterator[Call | None]]] = {
    "azure": azure.read,
    "burstgpt": burstgpt.read,
    "mooncake": mooncake.read,
    "headway-records": records.read,
}
_BY_COLUMNS: dict[TraceFormat, Sequence[str]] = {
    "azure": azure.COLUMNS,
    "burstgpt": burstgpt.COLUMNS,
    "servegen": servegen.COLUMNS,
}
_KNOWN = (
    "the formats are azure (TIMESTAMP,ContextTokens,GeneratedTokens), burstgpt (Timestamp,Model,Request tokens,...), "
    "mooncake (JSON lines), servegen (client,t_start_s,rate_rps,...), a Headway request log, and headway-records"
)


def trace_of(workload: Workload) -> Trace | None:
    """What its `trace` names; None where it has none. Raises SpecError when that cannot be read."""
    if workload.trace is None:
        return None
    return read_trace(Path(workload.trace.file), workload.trace.format or "auto")


def read_trace(path: Path | str, format: TraceFormat | Literal["auto"] = "auto") -> Trace:  # noqa: A002
    """Looks at its beginning alone. Raises SpecError when it is not there, or of no format that is known."""
    path = Path(path)
    if path.is_dir():
        if format in ("auto", "servegen") and next(path.glob(servegen_folder.TRACES), None) is not None:
            return _FileTrace(path, "servegen")
        raise fault(
            path, 0, "a folder", "name a file; only the folders of ServeGen (chunk-1-trace.csv, ...) are traces"
        )
    start = head(path, _HEAD)
    if format == "auto":
        format = _detected(path, start)  # noqa: A001
    elif format not in get_args(TraceFormat):
        raise fault(path, 0, f"no format {format!r}", f"use one of auto, {', '.join(get_args(TraceFormat))}")
    elif (format in _LOGS) != start.startswith(request_log.MAGIC):
        raise fault(path, 0, f"not of the format {format}", "leave the format out: it is seen from the file")
    return _FileTrace(path, format)


def _detected(path: Path, start: bytes) -> TraceFormat:
    if start.startswith(request_log.MAGIC):
        return "headway"
    first = start.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    if first.startswith(b"{"):
        if b'"input_length"' in first:
            return "mooncake"
        if b'"path"' in first or b'"due"' in first or b'"headway"' in first:
            return "headway-records"
    names = columns_of(first.decode("utf-8", "replace").rstrip("\r"))
    for each, columns in _BY_COLUMNS.items():
        if all(column.casefold() in names for column in columns):
            return each
    if not start.strip():
        raise fault(path, 1, "the file is empty", _KNOWN)
    shown = first[:60].decode("utf-8", "replace")
    raise fault(path, 1, f"found {shown!r}, which begins no trace that Headway knows", _KNOWN)


class _FileTrace:
    """A Trace. It holds no open file between two readings, so that another process can be handed it."""

    def __init__(self, path: Path, format: TraceFormat) -> None:  # noqa: A002
        self._path, self.format = path, format
        self.name = str(path)
        self.has_sessions = format not in _ALONE
        self.passed_over = 0

    def calls(self, start: float, end: float, seed: int) -> Iterator[Call]:
        self.passed_over = 0
        if self.format == "servegen":
            yield from servegen.calls(self._path, start, end, seed)
            return
        first = math.nan
        for call in self._in_order():
            if math.isnan(first):
                first = call.at
            at = call.at - first
            if at >= end:
                return
            if at >= start:
                yield Call(
                    at,
                    call.prompt_tokens,
                    call.output_tokens,
                    call.blocks,
                    call.session,
                    call.answer,
                    call.model,
                    call.tenant,
                    call.operation,
                )

    def _in_order(self) -> Iterator[Call]:
        held: list[tuple[float, int, Call]] = []
        last = -math.inf
        for order, (call, where) in enumerate(self._read()):
            if call is None:
                self.passed_over += 1
                continue
            if call.at < last:
                message = f"it goes back by {last - call.at:.3f} s, past more than {MOST_OUT_OF_ORDER} requests"
                raise where(message, "sort the file by time")
            heapq.heappush(held, (call.at, order, call))
            if len(held) > MOST_OUT_OF_ORDER:
                last, _, first = heapq.heappop(held)
                yield first
        while held:
            yield heapq.heappop(held)[2]

    def _read(self) -> Iterator[tuple[Call | None, Callable[[str, str], SpecError]]]:
        """Each as it stands in the file, and how to say that something is wrong with it."""
        if self.format in _BY_LINES:
            lines = Lines(self._path)
            yield from ((each, lines.fault) for each in _BY_LINES[self.format](lines))
            return
        whole = request_log.read(self._path, sampled=self.format == "headway-sampled")
        yield from ((each, self._fault) for each in whole)

    def _fault(self, message: str, hint: str) -> SpecError:
        return fault(self._path, 0, message, hint)
