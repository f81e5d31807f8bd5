"""Headway's own policy: as many replicas as the tokens need, up at once and down with care.

Up: to what `need` says, at once; what is starting counts. Down: never below the most that was wanted in the last
minutes, and only if those that stay bear the load with room to spare. Zero: after `idle`, all together; the first
request starts one. No number of the engine's is a target, so there is nothing to tune and nothing that oscillates:
under a constant load the need is constant, and what is there does not change it once it suffices.

A load that no replica can serve inside the SLO is said, and is not chased with more of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.policy.decision import Reason
from headway.policy.scaling.need import Need, need
from headway.policy.scaling.observation import Observation, Starting
from headway.policy.scaling.recent import highest, noted
from headway.policy.scaling.room import least, within
from headway.policy.scaling.scaler import Memory, Verdict, verdict
from headway.policy.scaling.telling import infeasible, numbers_of, told

__all__ = ["Demand"]

_ROUNDING = 1e-6
"""Of a replica: a sum of floats a little above a whole number is that number."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A Scaler. Times are seconds."""

    utilisation: float = 0.8
    """Share of a replica's capacity that is planned with where nobody may wait: the rest takes what a mean rate does
    not show until help can be there. The longer the SLO lets a request wait, as a part of a cold start, the less of
    that rest is kept (`planned`). The court (docs/scaling.md) shows what each value costs and what it keeps."""

    least_rest: float = 0.25
    """Of that rest, kept however long a request may wait: nothing else takes what comes when all are busy."""

    margin: float = 0.05
    """A replica leaves only if those that stay have this share of their planned load to spare: or the next small wave
    would start it again (llm-d's variant autoscaler and Dynamo's planner test survivors too)."""

    hold: float = 300.0
    """Down is to the most wanted within this time, or within a cold start where that is longer: the stabilisation of a
    HorizontalPodAutoscaler. To keep a replica for one cold start costs as much as to start it again (ski rental), so
    that 120 s was tried too: the court could not tell it from 300. 0: only what is wanted now."""

    overdue: float = 3.0
    """A replica that has been starting for so many times the usual cold start is not counted on any more."""

    full: float = 0.95
    """KV memory in use from which engines that have a queue too are believed to be full."""

    look: float = 5.0
    """From one pass to the next."""

    name: str = "headway"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        late = self.overdue * max(seen.cold_start, self.look)
        believed = tuple(each for each in seen.starting if each.since <= late)
        lost, present = len(seen.starting) - len(believed), seen.ready + len(believed)
        planned = self.planned(seen)
        found = need(seen, believed, planned)
        wanted, why = self._wanted(seen, believed, found)
        # Nobody remembers why those that are there were started: they stay as long as if it had been now.
        before = memory.wanted or ((now, present),)
        hold = max(self.hold, seen.cold_start) if self.hold else 0.0
        recent = noted(before, now, wanted, hold)
        chosen, why = self._held(seen, found, present=present, wanted=wanted, recent=highest(recent), why=why)
        if lost and chosen > present:
            why = Reason.START_OVERDUE
        target, barred = within(seen, chosen + lost if chosen else 0)
        hopeless = infeasible(seen) if target else None
        reason = barred or (Reason.SLO_INFEASIBLE if hopeless else why)
        message = hopeless if hopeless and not barred else told(reason, seen, found, target, highest(recent))
        numbers = numbers_of(seen, found, highest(recent)) | {"utilisation": round(planned, 3)}
        return verdict(
            seen, target, Memory(recent), reason=reason, message=message, numbers=numbers, look_again=self.look
        )

    def planned(self, seen: Observation) -> float:
        """Share of a replica's capacity that is planned with, by how long a request may wait until help is there."""
        waits = min(1.0, (seen.ttft or 0.0) / max(seen.cold_start, self.look))
        return 1.0 - (1.0 - self.utilisation) * max(self.least_rest, 1.0 - waits)

    def _wanted(self, seen: Observation, believed: tuple[Starting, ...], found: Need) -> tuple[int, Reason]:
        """What is needed now, whatever was before."""
        present, expected = seen.ready + len(believed), self._expected(seen)
        rests = present == 0 or (seen.idle_after is not None and seen.idle >= seen.idle_after)
        if least(seen) == 0 and not seen.has_work and rests and expected < 1:
            return 0, Reason.IDLE
        wanted, why = max(_up(found.replicas), 1), Reason.DEMAND_ROSE
        if wanted > max(_up(found.demand / self.planned(seen)), 1):
            why = Reason.BACKLOG
        if self._is_full(seen) and not believed and wanted <= present:
            wanted, why = present + 1, Reason.ENGINES_FULL
        if _up(expected) > wanted:
            wanted, why = _up(expected), Reason.FORECAST
        if least(seen) > wanted:
            wanted, why = least(seen), Reason.SCHEDULED_FLOOR if seen.floor > seen.low else Reason.ENOUGH
        return wanted, Reason.WOKEN if seen.present == 0 and seen.has_work else why

    def _held(
        self, seen: Observation, found: Need, *, present: int, wanted: int, recent: int, why: Reason
    ) -> tuple[int, Reason]:
        """Not below what the last minutes wanted, nor below what those that stay could bear."""
        if wanted == 0 or wanted > present:
            return wanted, why
        kept = max(recent, min(present, _up(found.replicas / (1.0 - self.margin))))
        if kept < present:
            return kept, Reason.DEMAND_FELL
        if wanted == present:
            standing = why in (Reason.SCHEDULED_FLOOR, Reason.FORECAST)
            return kept, why if standing else Reason.ON_THE_WAY if seen.starting else Reason.ENOUGH
        return kept, Reason.RECENT_PEAK if recent >= present else Reason.SURVIVORS_WOULD_NOT_FIT

    def _expected(self, seen: Observation) -> float:
        """Replicas, by the forecast."""
        if seen.forecast is None:
            return 0.0
        return seen.capacity.seconds(seen.forecast.prompt, seen.forecast.output) / self.planned(seen)

    def _is_full(self, seen: Observation) -> bool:
        """Engines have no memory for more, and prompts wait in them for longer than the SLO (or a second)."""
        queue = seen.pending.prompt / seen.capacity.prefill
        return seen.ready > 0 and seen.kv >= self.full and queue > seen.ready * (seen.ttft or 1.0)


def _up(replicas: float) -> int:
    return math.ceil(replicas - _ROUNDING)
