"""BurstGPT: `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,Total tokens,Log Type`.

https://github.com/HPMLL/BurstGPT, CC-BY 4.0; Wang et al., "BurstGPT", 2024. Timestamps are seconds since the first
midnight; Elapsed time is from the request to its whole answer. Releases before 2.0 have neither sessions nor that.
Failures stand in the files with 0 response tokens: they are passed over and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from headway.perf.traffic.trace import Call
from headway.wire.traces.fields import Table
from headway.wire.traces.lines import Lines

__all__ = ["COLUMNS", "read"]

COLUMNS = ("Timestamp", "Model", "Request tokens", "Response tokens")
_NONE = ("", "nan", "none", "null")


def read(lines: Lines) -> Iterator[Call | None]:
    for row in Table(lines, COLUMNS).rows():
        prompt, output = row.count("request tokens"), row.count("response tokens")
        at = row.number("timestamp")
        if not prompt or not output:
            yield None
            continue
        session, elapsed = row.text("session id"), row.text("elapsed time")
        yield Call(
            at,
            prompt,
            output,
            session="" if session.casefold() in _NONE else session,
            answer=None if elapsed.casefold() in _NONE else max(row.number("elapsed time"), 0.0),
            model=row.text("model"),
        )
