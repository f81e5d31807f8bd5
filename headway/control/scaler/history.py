"""A Model's figures over the last minutes -> what came, in the windows that scalers look at."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from headway.control.scaler.figures import Figures
from headway.policy.scaling.observation import WINDOWS, Window

__all__ = ["History"]


class History:
    """Counters that go back (a gateway that ended or began anew) count as nothing having come."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Figures]] = deque()
        self._prompt, self._output = 0.0, 0.0  # tokens of the mean request, once there was one
        self._idle_since: float | None = None

    def add(self, now: float, found: Figures) -> None:
        if self._seen:
            self._learn(self._seen[-1][1], found)
        came = bool(found.inside) or not self._seen or self._came(self._seen[-1][1], found) > 0
        if came or self._idle_since is None:
            self._idle_since = now
        self._seen.append((now, found))
        while self._seen and self._seen[0][0] < now - max(WINDOWS) - 1.0:
            self._seen.popleft()

    @property
    def last(self) -> Figures:
        return self._seen[-1][1] if self._seen else Figures()

    @property
    def sizes(self) -> tuple[float, float]:
        """Tokens of the mean request: prompt that is to be computed, answer."""
        return self._prompt, self._output

    def idle(self, now: float) -> float:
        """Seconds since there was a request, as far as anybody has looked."""
        return 0.0 if self._idle_since is None else now - self._idle_since

    def windows(self, now: float) -> tuple[Window, ...]:
        """One for each of WINDOWS, shorter where nobody has looked for so long."""
        return tuple(self._window(now, seconds) for seconds in WINDOWS)

    def _window(self, now: float, seconds: float) -> Window:
        inside = [each for each in self._seen if each[0] >= now - seconds]
        if len(inside) < 2:
            inside = list(self._seen)[-2:]
        if len(inside) < 2:
            return Window(seconds=0.0)
        pairs = pairwise(inside)
        requests = sum(self._came(before, after) for (_, before), (_, after) in pairs)
        mean = sum(each.inside for _, each in inside) / len(inside)
        return Window(
            inside[-1][0] - inside[0][0], requests, requests * self._prompt, requests * self._output, concurrency=mean
        )

    def _came(self, before: Figures, after: Figures) -> float:
        """Requests: those that ended meanwhile and were not there before, and those that are there now."""
        return max(0.0, max(0.0, after.ended - before.ended) + after.inside - before.inside)

    def _learn(self, before: Figures, after: Figures) -> None:
        ended = after.ended - before.ended
        if ended > 0:
            self._prompt = max(0.0, after.prompt - before.prompt) / ended
            self._output = max(0.0, after.output - before.output) / ended
