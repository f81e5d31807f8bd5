"""What stands in the simulator because rooms do not import each other is what the gateway has."""

from __future__ import annotations

from headway.gateway.settings import Settings
from headway.sim.fleet import DEADLINE, Manners


def test_the_simulated_gateway_behaves_as_the_real_one_does_by_default() -> None:
    real, ours = Settings(), Manners()
    assert real.deadline_seconds == DEADLINE
    pairs = {
        "retry_ratio": "retry_ratio",
        "retry_floor": "retry_floor",
        "tries_max": "tries_max",
        "cooldown": "cooldown_seconds",
        "cooldown_max": "cooldown_max_seconds",
        "eject_after": "eject_after",
        "eject": "eject_seconds",
        "eject_max": "eject_max_seconds",
        "eject_share": "eject_share",
        "waiting_max": "waiting_max",
        "wait": "wait_seconds",
        "wait_grace": "wait_grace_seconds",
        "index_blocks": "index_blocks",
    }
    assert {name: getattr(ours, name) for name in pairs} == {name: getattr(real, of) for name, of in pairs.items()}
