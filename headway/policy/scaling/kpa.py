"""Knative's pod autoscaler on concurrency: a baseline.

Source: knative/serving pkg/autoscaler/scaling/autoscaler.go and config-autoscaler: a pass each 2 s over a stable window
of 60 s and a panic window of 6 s; panic when the latter wants twice what is ready, and until it has not for a stable
window, in which it never goes down; at most 1000 times and at least half of what is ready; target 70 % of what a pod
bears; zero when nothing came in the stable window, after a grace of 30 s. It sees the requests that wait at its
activator as well, and does not see pods that are starting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.policy.decision import Reason
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.room import least, within
from headway.policy.scaling.scaler import Memory, Verdict, verdict

__all__ = ["Kpa"]


@dataclass(frozen=True, slots=True)
class Kpa:
    """A Scaler. `utilisation`: of the requests that a replica bears at once, so many are the target."""

    utilisation: float = 0.7
    tick: float = 2.0
    stable: float = 60.0
    panic: float = 6.0
    panic_threshold: float = 2.0
    up_rate: float = 1000.0
    down_rate: float = 2.0
    grace: float = 30.0
    name: str = "kpa"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        target = self.utilisation * seen.capacity.sequences
        ready = max(seen.ready, 1)
        lowest, highest = math.floor(ready / self.down_rate), math.ceil(ready * self.up_rate)
        calm, alarmed = (math.ceil(seen.over(window).concurrency / target) for window in (self.stable, self.panic))
        since, most = memory.since, memory.most
        if alarmed / ready >= self.panic_threshold:
            since = now
        elif since is not None and since + self.stable < now:
            since, most = None, 0
        desired = min(max(calm, lowest), highest)
        if since is not None:
            desired = most = max(desired, min(max(alarmed, lowest), highest), most)
        if calm == 0 and desired <= 1 and since is None:
            desired = 0 if seen.idle >= self.stable + self.grace else min(1, seen.present)
        if least(seen) == 0 and seen.waiting.requests and not desired:
            desired = 1  # the activator pokes the autoscaler
        chosen, barred = within(seen, desired)
        message = f"concurrency {seen.over(self.stable).concurrency:.1f}, target {target:.1f}: {calm}"
        return verdict(
            seen,
            chosen,
            Memory(since=since, most=most),
            reason=barred or Reason.BY_METRIC,
            message=f"{message}, panic: {alarmed}" if since is not None else message,
            numbers={"stable": calm, "panic": alarmed, "target_each": round(target, 2)},
            look_again=self.tick,
        )
