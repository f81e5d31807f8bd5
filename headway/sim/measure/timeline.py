"""How it went over time, in at most so many bins: they grow twice as wide whenever they get too many."""

from __future__ import annotations

from dataclasses import dataclass, field

from headway.sim.measure.distribution import Distribution

__all__ = ["Bin", "Timeline"]

MOST = 480
_SECOND = 1.0


@dataclass(slots=True)
class Bin:
    """Requests that came, that were answered whole, inside the SLO, and not; sums of `looks` looks at what runs."""

    came: int = 0
    good: int = 0
    answered: int = 0
    failed: int = 0
    looks: int = 0
    running: int = 0
    waiting: int = 0
    ready: int = 0
    starting: int = 0
    ttft: Distribution = field(default_factory=lambda: Distribution(0))

    def take(self, other: Bin) -> None:
        for name in ("came", "good", "answered", "failed", "looks", "running", "waiting", "ready", "starting"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ttft.merge(other.ttft)


class Timeline:
    def __init__(self) -> None:
        self.width = _SECOND
        self.bins: list[Bin] = []

    def at(self, now: float) -> Bin:
        number = int(now / self.width)
        while number >= MOST:
            self._widen()
            number = int(now / self.width)
        while len(self.bins) <= number:
            self.bins.append(Bin())
        return self.bins[number]

    def _widen(self) -> None:
        self.width *= 2
        for one, other in zip(self.bins[::2], self.bins[1::2], strict=False):
            one.take(other)
        self.bins = self.bins[::2]
