"""Fleets and traffic for tests of the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headway.perf.step.shape import Limits
from headway.perf.traffic.pieces import OWN, piece_id
from headway.perf.traffic.planned import Piece, Planned, Stage, Traffic
from headway.perf.traffic.schedule import traffic
from headway.policy.route import Slo
from headway.sim.fleet import Fleet, Served
from headway.spec.workload import Workload
from tests.support.batching import Affine

__all__ = ["STEP", "Listed", "fleet", "poisson", "request"]

STEP = Affine(0.012, 6e-5, 1e-9, 3e-5, 2e-8)
"""About an 8B model on a large GPU."""


def fleet(replicas: int = 2, **fields: Any) -> Fleet:
    """One Model, chat, that answers to every name."""
    limits = fields.pop("limits", Limits(200_000, 16, 64, 4096))
    step = fields.pop("step", STEP)
    slo = fields.pop("slo", Slo(1.0, 0.05))
    others = {name: fields.pop(name) for name in ("routes", "tenants") if name in fields}
    served = Served("chat", step, limits, replicas=replicas, slo=slo, **fields)
    return Fleet((served,), aliases={"": "chat"}, **others)


def request(number: int, at: float, prompt: int = 100, output: int = 20, **fields: Any) -> Planned:
    pieces = fields.pop("pieces", (Piece(piece_id(OWN, 0, number), prompt),))
    return Planned(number, at, 0, "chat", fields.pop("model", ""), pieces, output, **fields)


class Listed:
    """A Traffic of these."""

    def __init__(self, requests: Sequence[Planned]) -> None:
        self._requests = requests
        self.stages = (Stage("listed", 0.0, self.seconds),)

    @property
    def seconds(self) -> float:
        return self._requests[-1].at if self._requests else 0.0

    def __iter__(self) -> Iterator[Planned]:
        return iter(self._requests)

    def of(self, stage: int) -> Iterator[Planned]:
        del stage
        return iter(self)


def poisson(rate: str = "4/s", lasts: str = "2m", seed: int = 0, **fields: Any) -> Traffic:
    """Of a Workload with these fields."""
    prompt, output = fields.pop("prompt", "50..900"), fields.pop("output", "5..200")
    arrivals = fields.pop("arrivals", {"rate": rate})
    data: dict[str, Any] = {"kind": "Workload", "name": "w", "arrivals": arrivals, "prompt": prompt, "output": output}
    if "stages" not in arrivals:
        data["for"] = lasts
    return traffic(Workload.model_validate(data | fields), seed=seed)
