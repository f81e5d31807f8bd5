"""A run while it goes on: one line that changes in place on a terminal, a plain line now and then elsewhere. On
stderr."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from headway.bench.plan import Progress
from headway.bench.readable import count, each_second, percent, seconds
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.cli.progress import on_terminal

__all__ = ["Glance", "LiveLine", "told"]

RECENT = 400
"""Requests that the live percentile and share are of: the last ones that ended."""
AGAIN_AFTER = 10.0
"""Seconds between two plain lines."""
BAR = 16
NARROW = 60


@dataclass(frozen=True, slots=True)
class Glance:
    """What the last requests that ended were like: seconds to their first token from when they were due, share
    inside."""

    ttft: float | None = None
    inside: float | None = None


class LiveLine:
    """A watcher of a run, which it never ends. `first` is said once, when the run has begun and not before: whoever
    is not reached gets one line, the error. `name` stands before the figures where there are several runs. As a
    context: the line is gone at its end, whatever happened."""

    def __init__(self, limits: list[Slo], *, first: str = "", name: str = "") -> None:
        self._limits, self._first, self._name = limits, first, name
        self._terminal = on_terminal()
        self._said = 0.0

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and not self._first:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def __call__(self, progress: Progress, records: Sequence[Record]) -> bool:
        if self._first:
            print(self._first, file=sys.stderr, flush=True)
            self._first = ""
        if self._terminal:
            line = told(progress, self._glance(records), shutil.get_terminal_size().columns - 1, self._name)
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        elif progress.now - self._said >= AGAIN_AFTER:
            self._said = progress.now
            print(told(progress, self._glance(records), 200, self._name, bar=False), file=sys.stderr, flush=True)
        return False

    def _glance(self, records: Sequence[Record]) -> Glance:
        import numpy as np  # noqa: PLC0415

        from headway.bench.measures import measured  # noqa: PLC0415
        from headway.bench.slo import kept  # noqa: PLC0415

        last = list(records[-RECENT:])
        if not last:
            return Glance()
        of = measured(last)
        judged = kept(of, self._limits)
        asked = int(judged.asked.sum())
        firsts = of.ttft_sched[~np.isnan(of.ttft_sched)]
        share = int(judged.inside.sum()) / asked if asked and self._limits else None
        return Glance(float(np.sort(firsts)[len(firsts) // 2]) if len(firsts) else None, share)


def told(progress: Progress, glance: Glance, columns: int, name: str = "", *, bar: bool = True) -> str:
    """No longer than `columns`: what matters least gives way first."""
    endless = progress.seconds in (0.0, float("inf"))
    part = 0.0 if endless else min(1.0, progress.now / progress.seconds)
    rate = progress.ended / progress.now if progress.now > 0 else 0.0
    phrases = [
        _time(progress),
        f"{count(progress.sent)} sent",
        f"{count(progress.due - progress.ended)} open",
        f"inside {percent(glance.inside)}" if glance.inside is not None else "",
        f"{count(progress.failed)} failed" if progress.failed else "",
        f"TTFT p50 {seconds(glance.ttft)}" if glance.ttft is not None else "",
        f"answered {each_second(rate)}",
    ]
    line = name
    for phrase in filter(None, phrases):
        longer = f"{line}  {phrase}" if line else phrase
        if len(longer) <= columns:
            line = longer
    if bar and not endless and columns >= NARROW and len(line) + BAR + 2 <= columns:
        filled = round(part * BAR)
        line = f"{'=' * filled}{'>' if filled < BAR else ''}{' ' * (BAR - filled - 1)}  {line}"
    return line[: max(0, columns)]


def _time(progress: Progress) -> str:
    """Beyond its end a run only waits for answers."""
    now = f"{progress.now:.0f} s"
    if progress.seconds in (0.0, float("inf")):
        return now
    return f"{progress.now:.0f} of {progress.seconds:.0f} s" if progress.now <= progress.seconds else f"{now}, draining"
