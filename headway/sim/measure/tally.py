"""What became of the requests of one group (a Model, a tenant of it, or all): counts, latencies, tokens.

TTFT and E2E count from when a request was due; TPOT is (E2E - TTFT) / (tokens - 1) of one answer. A request is inside
the SLO when it was answered whole, its TTFT is, and its TPOT is not above the SLO's ITL.
"""

from __future__ import annotations

from headway.policy.route import Slo
from headway.sim.job import Ended, Job
from headway.sim.measure.distribution import Distribution

__all__ = ["Tally"]


class Tally:
    def __init__(self, slo: Slo) -> None:
        self.slo = slo
        self.counts = dict.fromkeys(Ended, 0)
        self.came = self.inside = self.retries = 0
        self.prompt = self.output = self.cached = 0  # tokens, of those that were answered
        self.ttft, self.tpot, self.e2e, self.queue = Distribution(), Distribution(), Distribution(), Distribution()

    def ended(self, job: Job, kind: Ended, now: float, before: float) -> bool:
        """`before`: seconds that the caller sees beyond what was simulated. Returns whether it was inside the SLO."""
        self.counts[kind] += 1
        if job.tries > 1:
            self.retries += job.tries - 1
        if job.sent_at >= 0:
            self.queue.add(job.sent_at - job.due)
        ttft = inf = float("inf")
        if job.first_at >= 0:
            ttft = job.first_at - job.due + before
            self.ttft.add(ttft)
        if kind is not Ended.FINISHED and kind is not Ended.LEFT:
            return False
        self.prompt += job.prompt
        self.output += job.output
        self.cached += job.cached
        tpot = 0.0
        if kind is Ended.FINISHED:
            self.e2e.add(now - job.due + before)
            if job.output > 1:
                tpot = (now - job.first_at) / (job.output - 1)
                self.tpot.add(tpot)
        slo = self.slo
        good = ttft <= (slo.ttft or inf) and tpot <= (slo.itl or inf)
        self.inside += good
        return good

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def attainment(self) -> float:
        """Share of all that ended; 1 where none did."""
        return self.inside / self.done if self.done else 1.0

    def merge(self, other: Tally) -> None:
        for kind, count in other.counts.items():
            self.counts[kind] += count
        for name in ("came", "inside", "retries", "prompt", "output", "cached"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("ttft", "tpot", "e2e", "queue"):
            getattr(self, name).merge(getattr(other, name))
