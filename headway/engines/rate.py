"""Progress of one or several downloads, with an estimate from the rate so far. Read from lines `Progress N of
M`."""

from __future__ import annotations

import re
import time

from headway.engines.base import Progress, Report

__all__ = ["Rate"]

_LINE = re.compile(r"Progress (\d+) of (\d+)")


class Rate:
    def __init__(self, report: Report, label: str, total: int) -> None:
        self._report, self._label, self.total = report, label, total
        self._before = 0
        self._done = 0
        self._started: float | None = None

    def line(self, text: str) -> None:
        """One line of output of what downloads; any other line is passed over."""
        if found := _LINE.search(text):
            self._done = int(found[1])
            self.total = max(self.total, self._before + int(found[2]))
            self._started = self._started or time.monotonic()
            self.again()

    def again(self) -> None:
        """Say it once more: the Report wants a word twice a second, and may cancel."""
        done = self._before + self._done
        eta = None
        if done and self._started is not None:
            eta = (time.monotonic() - self._started) / done * max(0, self.total - done)
        self._report(Progress("download", self._label, done, self.total, "bytes", eta))

    def next(self) -> None:
        """One download is whole; the next one's lines count from there."""
        self._before, self._done = self._before + self._done, 0
