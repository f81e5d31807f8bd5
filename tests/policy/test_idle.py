from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.decision import Action, Reason
from headway.policy.idle import decide

TIMES = st.floats(0, 1e9)


def test_without_idle_it_stays_for_ever() -> None:
    assert decide("a", None, 0, 1e9).action is Action.KEEP


@given(idle=st.floats(1, 1e6), used=TIMES, now=TIMES)
def test_it_stops_after_that_long_without_use_and_says_when_to_look(idle: float, used: float, now: float) -> None:
    made = decide("a", idle, used, now)
    if now - used >= idle:
        assert (made.action, made.reason) == (Action.DRAIN, Reason.IDLE)
    else:
        assert made.action is Action.KEEP
        assert made.look_again is not None
        assert 0 < made.look_again <= idle
