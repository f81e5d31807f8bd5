"""Endpoints that fail are passed over for longer and longer, never too many of them, and come back by one request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headway.policy.ejection import LEAST_REQUESTS, TRIAL_SECONDS, EjectionRules, Health, is_outlier

RULES = EjectionRules(first=0.2, longest=2.0, after=5, eject_first=5.0, eject_longest=30.0, share=0.5)


def fail_until_ejected(health: Health, now: float) -> float:
    """Each failure right after the pause; the time of the last."""
    while not health.failed(now, RULES, ejected=0, of=2):
        now = health.until
    return now


def test_failures_in_a_row_cool_and_then_eject() -> None:
    health, now, pauses = Health(), 10.0, []
    for _ in range(4):
        assert not health.failed(now, RULES, ejected=0, of=2)
        pauses.append(round(health.until - now, 3))
        now = health.until
    assert pauses == [0.2, 0.4, 0.8, 1.6]
    assert health.failed(now, RULES, ejected=0, of=2)
    assert health.until - now == RULES.eject_first


def test_one_death_counts_once() -> None:
    health = Health()
    for _ in range(100):
        health.failed(10.0, RULES, ejected=0, of=2)
    assert health.streak == 1
    assert not health.ejected


def test_one_request_is_the_trial_and_decides() -> None:
    health = Health()
    now = fail_until_ejected(health, 10.0)
    assert not health.worked(now + 1), "an answer that was under way says nothing"
    assert health.until > now + 1
    now = health.until
    health.tried(now)
    assert (health.on_trial, health.until) == (True, now + TRIAL_SECONDS)
    health.tried(now + 1)
    assert health.until == now + TRIAL_SECONDS, "a second one does not move it"
    assert health.worked(now + 2)
    assert (health.until, health.troubled) == (0.0, False)


def test_the_pause_doubles_up_to_its_longest_and_is_forgotten() -> None:
    health, pauses = Health(), []
    now = fail_until_ejected(health, 10.0)
    for _ in range(6):
        pauses.append(health.until - now)
        now = health.until
        health.tried(now)
        assert health.failed(now, RULES, ejected=1, of=2), "the trial failed"
    assert pauses == [5.0, 10.0, 20.0, 30.0, 30.0, 30.0]
    now = health.until
    health.tried(now)
    assert health.worked(now)
    now = fail_until_ejected(health, now + 1)
    assert health.until - now == 30.0, "so soon nothing is forgotten"
    now = health.until
    health.tried(now)
    health.worked(now)
    now = fail_until_ejected(health, now + 20 * RULES.eject_longest)
    assert health.until - now == RULES.eject_first


def test_an_endpoint_without_siblings_is_never_ejected() -> None:
    health, now = Health(), 0.0
    for _ in range(50):
        assert not health.failed(now, RULES, ejected=0, of=1)
        assert health.until - now <= RULES.longest
        now = health.until


def test_another_worker_tries_first() -> None:
    health = Health()
    health.ejected_elsewhere(20.0)
    assert health.until == 20.0 + TRIAL_SECONDS
    health.reachable(12.0)
    assert health.until == 12.0


class Fleet(RuleBasedStateMachine):
    """Four endpoints, any events in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.all = [Health() for _ in range(4)]
        self.now = 100.0
        self.trials: dict[int, float] = {}

    @rule(index=st.integers(0, 3))
    def fails(self, index: int) -> None:
        out = sum(each.ejected for each in self.all)
        self.all[index].failed(self.now, RULES, ejected=out, of=4)

    @rule(index=st.integers(0, 3))
    def is_odd(self, index: int) -> None:
        out = sum(each.ejected for each in self.all)
        self.all[index].eject(self.now, RULES, ejected=out, of=4)

    @rule(index=st.integers(0, 3))
    def works(self, index: int) -> None:
        self.all[index].worked(self.now)

    @rule(index=st.integers(0, 3))
    def is_sent_one_if_it_may(self, index: int) -> None:
        health = self.all[index]
        if health.until <= self.now:
            last = self.trials.get(index)
            if health.ejected and health.on_trial and last is not None:
                assert self.now - last >= TRIAL_SECONDS, "two on trial at once"
            health.tried(self.now)
            if health.ejected:
                self.trials[index] = self.now

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def never_more_than_the_share(self) -> None:
        assert sum(each.ejected for each in self.all) <= 2

    @invariant()
    def nobody_is_out_for_longer_than_the_longest(self) -> None:
        assert all(each.until <= self.now + RULES.eject_longest for each in self.all)


TestFleet = Fleet.TestCase


SHARE = st.tuples(st.integers(0, 100), st.integers(LEAST_REQUESTS, 1000)).map(lambda pair: (min(pair), pair[1]))


@given(same=SHARE, siblings=st.integers(1, 8))
def test_nobody_is_odd_where_all_are_alike(same: tuple[int, int], siblings: int) -> None:
    """Requests that fail everywhere are to blame themselves."""
    assert not is_outlier(same, [same] * siblings) or same[0] == 0


def test_odd_is_who_fails_much_more_than_usual() -> None:
    assert is_outlier((30, 100), [(1, 100), (0, 100), (2, 100)])
    assert is_outlier((30, 100), [(0, 100)]), "one sibling is enough"
    assert not is_outlier((10, 100), [(0, 100)]), "too few errors"
    assert not is_outlier((9, 10), [(0, 100)]), "too few requests"
    assert not is_outlier((30, 100), [(20, 100), (25, 100)])
    assert not is_outlier((30, 100), [(0, 5)]), "nobody to compare with"
