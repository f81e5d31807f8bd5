"""All counts of one simulation: by Model and tenant, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.policy.route import Slo
from headway.sim.job import Ended, Job
from headway.sim.measure.tally import Tally
from headway.sim.measure.timeline import Timeline

if TYPE_CHECKING:
    from headway.sim.fleet import Fleet
    from headway.sim.keeper import Keeper
    from headway.sim.pool import Pool

__all__ = ["Ledger"]


class Ledger:
    """`groups`: by (Model, tenant); a request that no Model took is counted under the name it asked for."""

    def __init__(self, fleet: Fleet) -> None:
        self.groups: dict[tuple[str, str], Tally] = {}
        self.timeline = Timeline()
        self.came_total = 0
        self.last_end = 0.0
        self._slos = {each.name: each.slo for each in fleet.served}
        self._before = {each.name: each.before for each in fleet.served}

    def came(self, job: Job, now: float) -> None:
        self.came_total += 1
        self.timeline.at(now).came += 1

    def ended(self, job: Job, kind: Ended, now: float) -> None:
        key = (job.model, job.tenant)
        tally = self.groups.get(key)
        if tally is None:
            tally = self.groups[key] = Tally(self._slos.get(job.model, Slo()))
        good = tally.ended(job, kind, now, self._before.get(job.model, 0.0))
        self.last_end = now
        seen = self.timeline.at(now)
        if kind is Ended.FINISHED or kind is Ended.LEFT:
            seen.answered += 1
            seen.good += good
        else:
            seen.failed += 1
        if job.first_at >= 0:
            self.timeline.at(job.first_at).ttft.add(job.first_at - job.due)

    def look(self, pool: Pool, keeper: Keeper, now: float) -> None:
        seen = self.timeline.at(now)
        seen.looks += 1
        seen.running += sum(each.running for each in pool.endpoints)
        seen.waiting += pool.waiting + sum(each.replica.waiting for each in pool.endpoints)
        seen.ready += keeper.ready
        seen.starting += len(keeper.starting)
