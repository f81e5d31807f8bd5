"""KEDA with a queue trigger: it switches between none and one itself and leaves one to many to an HPA. A baseline.

Source: keda.sh, "Scaling Deployments" and "ScaledObject specification": pollingInterval 30 s, cooldownPeriod 300 s,
activationThreshold 0; the HPA gets an external metric of type AverageValue, so that what is wanted is metric over
threshold, whatever is ready. The queue's length counts requests that wait and those that run, as brokers count messages
that are not acknowledged: with those alone that wait, it would go down to one whenever the replicas suffice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from headway.policy.decision import Reason
from headway.policy.scaling.hpa import Behavior
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.room import least, within
from headway.policy.scaling.scaler import Memory, Verdict, verdict

__all__ = ["Keda"]


@dataclass(frozen=True, slots=True)
class Keda:
    """A Scaler. `utilisation`: the threshold, as a share of the requests that a replica bears at once."""

    utilisation: float = 0.7
    polling: float = 30.0
    cooldown: float = 300.0
    behavior: Behavior = field(default_factory=Behavior)
    name: str = "keda"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        queue = seen.waiting.requests + seen.running
        target = self.utilisation * seen.capacity.sequences
        since = now if queue or memory.since is None else memory.since  # the trigger was active last
        remembered = Memory(memory.wanted, memory.changes, since)
        if not seen.present:
            chosen, kept = (1 if queue else 0), Memory(since=since)
        elif least(seen) == 0 and now - since >= self.cooldown:
            chosen, kept = 0, Memory(since=since)
        else:
            ratio = queue / (target * seen.present)
            steady = abs(1.0 - ratio) <= self.behavior.tolerance
            desired = seen.present if steady else max(math.ceil(queue / target), 1)
            chosen, kept = self.behavior.limited(seen, remembered, desired, now)
        allowed, barred = within(seen, chosen)
        if allowed != seen.present:
            kept = Memory(kept.wanted, (*kept.changes, (now, allowed - seen.present)), since)
        message = f"{queue} requests, threshold {target:.1f}"
        return verdict(
            seen,
            allowed,
            kept,
            reason=barred or Reason.BY_METRIC,
            message=message,
            numbers={"queue": queue, "threshold": round(target, 2)},
            look_again=self.behavior.period if seen.present else self.polling,
        )
