"""What happened as a trace that browsers show (chrome://tracing, ui.perfetto.dev): the Trace Event Format.

One process for each replica, with its steps; one row for each request in its process: queue, prefill, decode. Written
as it happens; after so many events it stops, and says so, since the viewers bear no more.
"""

from __future__ import annotations

import json
from typing import TextIO

from headway.perf.batching import Ran, Watch
from headway.sim.job import Ended, Job

__all__ = ["MOST", "Spans"]

MOST = 500_000
"""Events; some 100 MB."""
_MICRO = 1e6
_ROWS = 64
"""Of requests in one process: those of equal number modulo this share one."""


class Spans:
    """`written` events. `close` ends the file, which is JSON only then."""

    def __init__(self, file: TextIO, most: int = MOST) -> None:
        self.written = 0
        self.is_full = False
        self._file, self._most = file, most
        self._processes: dict[str, int] = {}
        file.write('{"displayTimeUnit": "ms", "traceEvents": [')

    def watch(self, replica: str, also: Watch) -> Watch:
        return _Steps(self, self._process(replica), also)

    def ended(self, job: Job, kind: Ended, now: float) -> None:
        if job.stay is None or job.sent_at < 0:
            return
        place = self._process(job.stay.upstream.id), 1 + job.number % _ROWS
        told: dict[str, object] = {
            "request": job.number,
            "prompt": job.prompt,
            "output": job.output,
            "cached": job.cached,
        }
        told |= {"tenant": job.tenant, "ended": str(kind), "tries": job.tries}
        if job.sent_at > job.due:
            self.span(place, "queue", job.due, job.sent_at, told)
        first = job.first_at if job.first_at >= 0 else now
        self.span(place, "prefill", job.sent_at, first, told)
        if job.first_at >= 0:
            self.span(place, "decode", first, now, told)

    def span(self, place: tuple[int, int], name: str, start: float, end: float, told: dict[str, object]) -> None:
        """`place`: process and row."""
        self._write(
            {"name": name, "ph": "X", "pid": place[0], "tid": place[1], "ts": round(start * _MICRO, 1),
             "dur": round((end - start) * _MICRO, 1), "args": told}
        )  # fmt: skip

    def close(self) -> None:
        told = {"name": "truncated", "ph": "M", "pid": 0, "args": {"after": self.written}}
        end = (",\n" + json.dumps(told)) if self.is_full else ""
        self._file.write(end + "\n]}\n")

    def _process(self, replica: str) -> int:
        number = self._processes.get(replica)
        if number is None:
            number = self._processes[replica] = len(self._processes) + 1
            self._write({"name": "process_name", "ph": "M", "pid": number, "args": {"name": replica}})
        return number

    def _write(self, event: dict[str, object]) -> None:
        if self.written >= self._most:
            self.is_full = True
            return
        self._file.write((",\n" if self.written else "\n") + json.dumps(event))
        self.written += 1


class _Steps:
    """A Watch: steps of one replica, a run of them as one."""

    def __init__(self, spans: Spans, process: int, also: Watch) -> None:
        self._spans, self._process, self._also = spans, process, also

    def ran(self, ran: Ran) -> None:
        told: dict[str, object] = {"steps": ran.steps, "decodes": ran.decodes, "prompt tokens": ran.prompt}
        name = "prefill" if ran.prompt and not ran.decodes else "mixed" if ran.prompt else "decode"
        self._spans.span((self._process, 0), name, ran.start, ran.end, told)
        self._also.ran(ran)

    def waited(self, seconds: float) -> None:
        self._also.waited(seconds)
