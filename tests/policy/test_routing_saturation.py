"""When a request that can be turned away is."""

from __future__ import annotations

import pytest

from headway.policy.routing import PATIENCE, Candidate, Elsewhere, saturated
from headway.policy.speed import ModelSpeed


def heard(kv_used: float = 0.0, waiting: int = 0, prompt: float = 0.0, at: float = 100.0) -> Elsewhere:
    found = Elsewhere()
    found.heard(0, waiting, kv_used, ours=0, prompt=prompt, now=at)
    return found


def one(elsewhere: Elsewhere | None = None, **load: int) -> Candidate:
    """It reads 1,000 tokens a second."""
    found = Candidate("one", 0, ModelSpeed((0.0, 0.001)).endpoint(), 0.0)
    found.elsewhere, found.prefilling_since = elsewhere or Elsewhere(), 100.0
    for name, value in load.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(
    ("each", "capacity", "patience", "expected"),
    [
        (one(), 0, PATIENCE, False),
        (one(running=100), 0, PATIENCE, False),
        (one(running=3), 4, PATIENCE, False),
        (one(running=4), 4, PATIENCE, True),
        (one(running=2, seats=2), 0, PATIENCE, True),
        (one(running=2, seats=2), 4, PATIENCE, True),
        (one(pending_tokens=4_999), 0, PATIENCE, False),
        (one(pending_tokens=5_001), 0, PATIENCE, True),
        (one(pending_tokens=400), 0, 0.3, True),
        (one(heard(0.84)), 0, PATIENCE, False),
        (one(heard(0.86)), 0, PATIENCE, True),
        (one(heard(0.99, at=80.0)), 0, PATIENCE, False),
        (one(heard(0.1, waiting=11, prompt=1_000)), 0, PATIENCE, True),
    ],
)
def test_one_endpoint(each: Candidate, capacity: int, patience: float, expected: bool) -> None:
    assert saturated([each], capacity, patience, 100.0) is expected


def test_one_that_has_room_is_enough() -> None:
    assert not saturated([one(running=4), one(running=3)], 4, PATIENCE, 0.0)
    assert saturated([one(running=4), one(running=4)], 4, PATIENCE, 0.0)
