"""When a request that can be turned away is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from headway.policy.routing import PATIENCE, Elsewhere, saturated
from headway.policy.speed import ModelSpeed, Speed


def heard(kv_used: float = 0.0, waiting: int = 0, prompt: float = 0.0, at: float = 100.0) -> Elsewhere:
    found = Elsewhere()
    found.heard(0, waiting, kv_used, ours=0, prompt=prompt, now=at)
    return found


@dataclass
class One:
    running: int = 0
    pending_tokens: float = 0.0
    seats: int = 0
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    speed: Speed = field(default_factory=ModelSpeed((0.0, 0.001)).endpoint)  # 1,000 tokens a second
    id: str = "one"
    slot: int = 0
    context_tokens: float = 0.0
    adapters: frozenset[str] | None = None
    adapter_load: float = 0.0
    kv_tokens: int = 0
    since: float = 0.0
    cooling_until: float = 0.0
    weight: float = 1.0


@pytest.mark.parametrize(
    ("one", "capacity", "patience", "expected"),
    [
        (One(), 0, PATIENCE, False),
        (One(running=100), 0, PATIENCE, False),
        (One(running=3), 4, PATIENCE, False),
        (One(running=4), 4, PATIENCE, True),
        (One(running=2, seats=2), 0, PATIENCE, True),
        (One(running=2, seats=2), 4, PATIENCE, True),
        (One(pending_tokens=4_999), 0, PATIENCE, False),
        (One(pending_tokens=5_001), 0, PATIENCE, True),
        (One(pending_tokens=400), 0, 0.3, True),
        (One(elsewhere=heard(0.84)), 0, PATIENCE, False),
        (One(elsewhere=heard(0.86)), 0, PATIENCE, True),
        (One(elsewhere=heard(0.99, at=80.0)), 0, PATIENCE, False),
        (One(elsewhere=heard(0.1, waiting=11, prompt=1_000)), 0, PATIENCE, True),
    ],
)
def test_one_endpoint(one: One, capacity: int, patience: float, expected: bool) -> None:
    assert saturated([one], capacity, patience, 100.0) is expected


def test_one_that_has_room_is_enough() -> None:
    assert not saturated([One(running=4), One(running=3)], 4, PATIENCE, 0.0)
    assert saturated([One(running=4), One(running=4)], 4, PATIENCE, 0.0)
