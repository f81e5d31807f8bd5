"""Replicas that share a machine's cores slow each other, and nobody else."""

from __future__ import annotations

import pytest

from headway.perf.cores import crowded
from headway.sim.fleet import Faults, Shared
from headway.sim.outcome import Outcome
from headway.sim.run import simulate
from tests.support.simulated import Listed, fleet, poisson, request

PAIR = Listed([request(0, 0.0), request(1, 0.0)])


def took(outcome: Outcome) -> float:
    assert outcome.whole.e2e.most is not None
    return outcome.whole.e2e.most


def test_a_replica_alone_is_as_fast_as_without_others() -> None:
    """Steps are then taken one by one: sums of floats differ in their last digits."""
    traffic = poisson(lasts="30s")
    free, shared = simulate(fleet(1), traffic), simulate(fleet(1, shared=Shared(0.5, 2)), traffic)
    for one, other in zip(
        (free.whole.ttft, free.whole.e2e, free.whole.itl), (shared.whole.ttft, shared.whole.e2e, shared.whole.itl),
        strict=True,
    ):  # fmt: skip
        assert one is not None
        assert other is not None
        assert other.mean == pytest.approx(one.mean)
        assert other.count == one.count


@pytest.mark.parametrize(("shared", "factor"), [(Shared(0.5, 2), 1.5), (Shared(0.0, 2, 2), 2.0), (Shared(0.2, 1), 2.4)])
def test_two_at_work_are_slower_by_their_share_and_take_turns(shared: Shared, factor: float) -> None:
    free = took(simulate(fleet(2, policy="least_request"), PAIR))
    slow = took(simulate(fleet(2, policy="least_request", shared=shared), PAIR))
    assert slow == pytest.approx(factor * free, rel=0.05)
    assert crowded(1, shared.slower, shared.threads / shared.cores) == pytest.approx(factor)


def test_who_died_takes_no_turns() -> None:
    """Replicas that died with requests in hand are not at work for ever: time passes, and all others end."""
    found = simulate(
        fleet(3, shared=Shared(0.5, 3), faults=Faults(death_hours=0.01)), poisson(rate="2/s", lasts="2m"), seed=1
    )
    assert found.replicas[0].deaths > 3
    assert found.whole.ended["finished"] > 100


def test_the_template_is_part_of_each_prompt() -> None:
    plain, wrapped = simulate(fleet(2), PAIR), simulate(fleet(2, wrap=500), PAIR)
    assert wrapped.replicas[0].computed == plain.replicas[0].computed + 2 * 500
    assert (wrapped.whole.ttft.p50 or 0) > (plain.whole.ttft.p50 or 0)
