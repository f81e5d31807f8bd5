"""The books of one Model, closed at a moment while requests still run: what was paid until then, and what is owed.

Traffic that is recorded ends, and a fleet that goes on to be paid until the last answer has ended pays for an end that
real traffic does not have. What is not computed by then is said, so that nobody saves by leaving it.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.sim.front import Front

__all__ = ["Closing"]


class Closing:
    """At `at` seconds. `paid`: replica-seconds; `owed`: tokens of prompts that wait or are being computed then, without
    those that are believed cached. None until then: all had ended before."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.paid: float | None = None
        self.owed = 0.0

    def of(self, front: Front, model: str) -> None:
        """To be noted when it is time."""
        front.agenda.at(self.at, self._note, (front, model))

    def _note(self, what: tuple[Front, str]) -> None:
        front, model = what
        pool, keeper = front.pools[model], front.keepers[model]
        there = [*pool.endpoints, *keeper.draining]
        sent = [job for each in there for job in each.jobs.values() if job.first_at < 0]
        held = [*pool.lobby, *(pool.line_jobs() if pool.line is not None else ())]
        self.owed = fsum(max(0.0, job.prompt - job.claimed) for job in sent) + fsum(float(job.prompt) for job in held)
        self.paid = keeper.paid(self.at)
