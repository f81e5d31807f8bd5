"""How many Replicas a Model should have, by `policy.scaling`: a number for whoever scales; it changes nothing itself.

What a gateway sees are requests and tokens. What one Replica bears is said by its engine's own limit of requests at
once (`max-num-seqs`, `parallel`), or by `sequences` in the ScaledObject; so the policy is the one that needs no more
than this: requests over what a Replica should have (`policy.scaling.keda`, 70 % of its limit). The HPA that KEDA makes
then smooths it over time as its `behavior` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.control.routes import capacity_of
from headway.control.scaler.history import History
from headway.engines import registry
from headway.policy.scaling.hpa import Behavior
from headway.policy.scaling.keda import Keda
from headway.policy.scaling.observation import Backlog, Capacity, Observation, Starting
from headway.policy.scaling.scaler import Memory, Verdict
from headway.sites.kubernetes.read import read_model, scale_of
from headway.spec.model import MOST_REPLICAS, Model
from headway.wire.kube.manifest import Manifest

__all__ = ["SEQUENCES", "Asked", "asked_of", "observe", "verdict_of"]

SEQUENCES = 32.0
"""Requests that one Replica bears at once where neither its engine's arguments nor the ScaledObject say it."""
COLD_START = 120.0
_POLICY = Keda(cooldown=1.0, behavior=Behavior(stabilisation=0.0, up_pods=MOST_REPLICAS))
"""It goes to zero as soon as nothing is there: KEDA's cooldownPeriod is what waits."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the Model besides its figures. `present`: Replicas that there are, ready or not."""

    name: str
    low: int
    high: int
    sequences: float
    present: int


def asked_of(manifest: Manifest, site: str, sequences: float = 0.0) -> Asked:
    """`sequences`: as the ScaledObject says; 0 = it does not. Raises SpecError."""
    model = read_model(_unscaled(manifest), site)
    status = manifest.get("status") or {}
    present = status.get("replicas")
    return Asked(
        model.name,
        model.replicas.low,
        model.replicas.high,
        sequences or _places(model),
        present if isinstance(present, int) else scale_of(manifest) or 0,
    )


def observe(asked: Asked, history: History, now: float) -> Observation:
    seen = history.last
    prompt, output = history.sizes
    coming = max(0, asked.present - seen.endpoints)
    return Observation(
        model=asked.name,
        ready=seen.endpoints,
        starting=(Starting(0.0, COLD_START),) * coming,
        windows=history.windows(now),
        capacity=Capacity(1.0, 1.0, asked.sequences),
        low=asked.low,
        high=asked.high,
        waiting=Backlog(round(seen.waiting), seen.waiting * prompt, seen.waiting * output),
        running=round(seen.running),
        kv=seen.kv,
        idle=history.idle(now),
    )


def verdict_of(asked: Asked, history: History, now: float) -> Verdict:
    """What the figures of now ask for: it is whoever scales that holds on to the past (the HPA's `behavior`, KEDA's
    cooldownPeriod), and two memories would add up."""
    return _POLICY.decide(observe(asked, history, now), Memory(since=now - history.idle(now)), now)


def _places(model: Model) -> float:
    revisions = [registry.revise_elsewhere(way, name).revision for name, way in model.ways.items()]
    return float(capacity_of(revisions)) or SEQUENCES


def _unscaled(manifest: Manifest) -> Manifest:
    """What the user allows, whatever an autoscaler wrote last."""
    return manifest | {"spec": {key: value for key, value in manifest["spec"].items() if key != "scale"}}
