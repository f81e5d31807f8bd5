"""What came to a Model in the last while, for its scaler: sums that only grow, looked at once a second."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from headway.policy.scaling.forecast import HOUR, forecast
from headway.policy.scaling.measured import Mean
from headway.policy.scaling.observation import WINDOWS, Rate, Window

__all__ = ["Demand"]

_LONGEST = max(WINDOWS)
_REMEMBERED = 8 * 24
"""Hours: a week and the day before it."""
_Sums = tuple[float, float, float, float]


class Demand:
    """`inside`: requests that wait or run."""

    def __init__(self, now: float) -> None:
        self.inside = 0
        self._requests = self._prompt = self._output = self._area = self._whole = 0.0
        self._since = self._at = now
        self._hours: dict[int, tuple[float, float]] = {}
        self._looks: deque[tuple[float, _Sums]] = deque([(now, (0.0, 0.0, 0.0, 0.0))])

    def came(self, prompt: float, output: float, now: float) -> None:
        self._pass(now)
        self._requests += 1
        self._prompt += prompt
        self._whole += prompt
        self._output += output
        self.inside += 1
        hour = int(now // HOUR)
        before = self._hours.get(hour, (0.0, 0.0))
        self._hours[hour] = (before[0] + prompt, before[1] + output)
        if len(self._hours) > _REMEMBERED:
            del self._hours[min(self._hours)]

    def mean(self, output: float, longest: float) -> Mean:
        """Of all that came so far."""
        count = max(self._requests, 1.0)
        return Mean(self._prompt / count, output, self._whole / count, longest)

    def found(self, cached: float) -> None:
        """So many tokens of a prompt that came need not be computed."""
        self._prompt -= cached

    def left(self, now: float) -> None:
        self._pass(now)
        self.inside -= 1

    def forecast(self, now: float, horizon: float) -> Rate | None:
        """By the hours that are over."""
        this = int(now // HOUR)
        past = {hour: Rate(sums[0] / HOUR, sums[1] / HOUR) for hour, sums in self._hours.items() if hour < this}
        return forecast(past, now, horizon)

    def look(self, now: float) -> None:
        self._pass(now)
        self._looks.append((now, self._sums))
        while len(self._looks) > 1 and self._looks[1][0] <= now - _LONGEST:
            self._looks.popleft()

    def windows(self, now: float) -> tuple[Window, ...]:
        self.look(now)
        times = [at for at, _ in self._looks]
        found = []
        for seconds in WINDOWS:
            at, before = self._looks[max(0, bisect_right(times, now - seconds) - 1)]
            lasted = max(min(seconds, now - self._since), 1e-9)
            # A look some time before the window's beginning has too much in it: in proportion.
            part = min(1.0, seconds / max(now - at, 1e-9)) if now - at > seconds else 1.0
            requests, prompt, output, area = (
                (one - other) * part for one, other in zip(self._sums, before, strict=True)
            )
            found.append(Window(lasted, requests, prompt, output, area / lasted))
        return tuple(found)

    @property
    def _sums(self) -> _Sums:
        return (self._requests, self._prompt, self._output, self._area)

    def _pass(self, now: float) -> None:
        self._area += self.inside * (now - self._at)
        self._at = now
