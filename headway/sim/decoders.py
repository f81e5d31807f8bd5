"""Replicas that write answers whose prompts others computed (disaggregated prefill and decode).

A prompt's keys and values go over the link; then the least loaded decoder takes it. The gateway has no such Models
yet: this is for planning. Decoders are fixed in number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.perf.batching import Happens, Replica, Request
from headway.policy.routing import Ask, Stay, choose
from headway.sim.endpoint import Endpoint
from headway.sim.fleet import Served, Split
from headway.sim.job import Ended, Job

if TYPE_CHECKING:
    from headway.sim.front import Front
    from headway.sim.pool import Pool

__all__ = ["Decoders"]


class Decoders:
    def __init__(self, served: Served, split: Split, front: Front, pool: Pool) -> None:
        self._split, self._front, self._pool = split, front, pool
        self._agenda = front.agenda
        step, limits = split.step or served.step, split.limits or served.limits
        self.endpoints = [
            Endpoint(
                f"{served.name}-decode-{number}",
                front.slot(),
                pool.speeds.endpoint(),
                front.agenda,
                replica=Replica(
                    step,
                    limits,
                    prefix_cache=False,
                    watch=front.watch(f"{served.name}-decode-{number}", front.pauses(served.name)),
                ),
                began=front.agenda.now,
            )
            for number in range(split.decoders)
        ]

    def fit(self, job: Job) -> bool:
        return self.endpoints[0].replica.fits(Request(job.number, job.prompt + 1, job.output))

    def send(self, job: Job) -> None:
        """Its prompt is computed."""
        self._agenda.at(self._agenda.now + self._split.transfer(job.prompt), self._arrive, job)

    def drop(self, job: Job) -> bool:
        """It is taken off; False: it does not run here."""
        for endpoint in self.endpoints:
            if endpoint.jobs.pop(job.number, None) is not None:
                endpoint.replica.cancel(job.number, self._agenda.now)
                endpoint.watch(self._step)
                return True
        return False

    def _arrive(self, job: Job) -> None:
        if job.ended is not None:
            return
        now = self._agenda.now
        ask = Ask(float(job.prompt), [0.0] * len(self.endpoints), float(job.output))
        choice = choose("least_request", ask, self.endpoints, now, self._front.draw())
        if choice is None:
            raise AssertionError("decoders do not fail")
        endpoint = self.endpoints[choice.index]
        job.stay = Stay(endpoint, 1.0, float(job.prompt + job.output), now, adapter="")
        endpoint.jobs[job.number] = job
        endpoint.replica.offer(Request(job.number, job.prompt + 1, job.output - 1, brought=job.prompt), now)
        endpoint.watch(self._step)

    def _step(self, endpoint: Endpoint) -> None:
        now = self._agenda.now
        if endpoint.due > now:
            return
        endpoint.due = float("inf")
        for event in endpoint.replica.advance(now):
            if event.kind is Happens.PREEMPTED:
                self._pool.preempted += 1
            elif event.kind is Happens.END and (job := endpoint.jobs.pop(event.request.id, None)) is not None:
                if job.stay is not None:
                    job.stay.leave()
                self._pool.end(job, Ended.LEFT if job.leaves else Ended.FINISHED)
        endpoint.watch(self._step)
