"""HorizontalPodAutoscaler v2 on a metric of the pods, as kube-controller-manager computes it: a baseline.

Sources: kubernetes.io, "Horizontal Pod Autoscaling" (algorithm, default behavior), and the same rules in
kubernetes pkg/controller/podautoscaler (replica_calculator.go, horizontal.go). The metric is requests in a pod (running
and waiting in its engine), as vLLM, KubeAI and the GKE guide advise; what waits at the gateway it cannot see. It runs
1..N: zero needs an alpha feature gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from headway.policy.decision import Reason
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.recent import highest, noted
from headway.policy.scaling.room import within
from headway.policy.scaling.scaler import Memory, Verdict, verdict

__all__ = ["Behavior", "Hpa"]


@dataclass(frozen=True, slots=True)
class Behavior:
    """What Kubernetes does where the user says nothing. Times are seconds."""

    tolerance: float = 0.1
    period: float = 15.0  # of the controller, and of the two policies below
    stabilisation: float = 300.0  # of scaling down; up there is none
    up_ratio: float = 1.0  # at most doubled in a period,
    up_pods: int = 4  # or so many more, whichever is more
    # Down: at most 100 % in a period, which bounds nothing.

    def limited(self, seen: Observation, memory: Memory, desired: int, now: float) -> tuple[int, Memory]:
        """After stabilisation and rates."""
        first = memory.wanted or ((now, seen.present),)
        wanted = noted(first, now, desired, self.stabilisation)
        changes = tuple(each for each in memory.changes if each[0] > now - self.period)
        target = max(desired, min(highest(wanted), seen.present))
        if target > seen.present:
            added = sum(each for _, each in changes if each > 0)
            before = seen.present - added
            target = min(target, max(math.ceil(before * (1 + self.up_ratio)), before + self.up_pods))
            target = max(target, seen.present)
        return target, Memory(wanted, changes, memory.since, memory.most)


@dataclass(frozen=True, slots=True)
class Hpa:
    """A Scaler. `utilisation`: of the requests that a replica bears at once, so many are the target's averageValue."""

    utilisation: float = 0.7
    behavior: Behavior = field(default_factory=Behavior)
    name: str = "hpa"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        target = self.utilisation * seen.capacity.sequences
        desired = max(self._desired(seen, target), 1)
        chosen, kept = self.behavior.limited(seen, memory, desired, now)
        allowed, barred = within(seen, chosen)
        if allowed != seen.present:
            kept = Memory(kept.wanted, (*kept.changes, (now, allowed - seen.present)))
        message = f"{seen.running} requests in {seen.ready} pods, target {target:.1f} each: {desired}"
        return verdict(
            seen,
            allowed,
            kept,
            reason=barred or Reason.BY_METRIC,
            message=message,
            numbers={"running": seen.running, "target_each": round(target, 2), "desired": desired},
            look_again=self.behavior.period,
        )

    def _desired(self, seen: Observation, target: float) -> int:
        """replica_calculator.go, calcPlainMetricReplicas: pods that are not ready count as idle when it would grow."""
        if not seen.ready:
            return seen.present
        tolerance, current = self.behavior.tolerance, seen.present
        ratio = seen.running / seen.ready / target
        if not (seen.starting and ratio > 1.0):
            return current if abs(1.0 - ratio) <= tolerance else math.ceil(ratio * seen.ready)
        damped = seen.running / current / target
        if abs(1.0 - damped) <= tolerance or damped < 1.0:
            return current
        return max(math.ceil(damped * current), current)
