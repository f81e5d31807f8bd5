"""Traffic that lies in memory, so that many policies are shown the same without reading it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headway.perf.traffic.planned import Planned, Stage

__all__ = ["Kept"]


class Kept:
    """A Traffic of one stage."""

    def __init__(self, requests: Sequence[Planned], seconds: float | None = None) -> None:
        self.requests = requests
        self._seconds = seconds if seconds is not None else (requests[-1].at + 1.0 if requests else 1.0)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (Stage("trace", 0.0, self._seconds),)

    @property
    def seconds(self) -> float:
        return self._seconds

    def __iter__(self) -> Iterator[Planned]:
        return iter(self.requests)

    def of(self, stage: int) -> Iterator[Planned]:
        return iter(self.requests) if stage == 0 else iter(())
