"""The search for the highest rate, on queues on paper whose answer is known."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.bench.belief import Evidence, believe
from headway.bench.search import MOST_STAGES, Found, Goal, Probe, Seen, decide
from headway.bench.sequential import Ruling, Runs, batch_effect, design_effect, rule
from headway.bench.staging import StageWatch, growth
from tests.support.queues import PaperServer, search

EVEN = PaperServer(servers=12, service=0.1, patience=0.15, poisson=False)
BUSY = PaperServer(servers=20, service=0.2, patience=0.2, spread=0.3)


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_capacity_of_an_even_server_within_5_percent(seed: int) -> None:
    found, stages = search(EVEN, EVEN.goal(), seed)
    assert found.rate == pytest.approx(EVEN.capacity, rel=0.05)
    assert found.low <= found.rate <= found.high
    assert sum(each.seconds for each in stages) <= 120
    assert len(stages) <= 12


def test_it_finds_where_a_random_queue_leaves_the_goal() -> None:
    """Single searches err by chance; their median must not, and the intervals must hold the truth most of the time."""
    best = BUSY.best(seconds=600)
    assert best < BUSY.capacity
    found = [search(BUSY, BUSY.goal(), seed)[0] for seed in range(5)]
    assert median(each.rate for each in found) == pytest.approx(best, rel=0.06)
    assert sum(each.low * 0.97 <= best <= each.high * 1.03 for each in found) >= 3
    assert all(each.seconds <= 120 for each in found)


def test_a_patient_slo_does_not_hide_an_overload() -> None:
    """Nobody waits longer than two seconds for a while, at a rate that the server cannot keep up with for ever."""
    patient = PaperServer(servers=10, service=0.1, patience=2.0, poisson=False)
    found, _ = search(patient, patient.goal(), 1)
    assert found.rate == pytest.approx(patient.capacity, rel=0.06)


def test_a_server_that_never_keeps_the_goal_has_no_rate() -> None:
    broken = PaperServer(servers=4, service=0.1, patience=0.5, lapse=0.3)
    found, stages = search(broken, broken.goal(), 1)
    assert found.rate == 0
    assert found.why == "no rate will do"
    assert [each.rate for each in stages] == sorted((each.rate for each in stages), reverse=True)


def test_misses_that_have_nothing_to_do_with_load_do_not_end_it_too_low() -> None:
    lapsing = PaperServer(servers=12, service=0.1, patience=0.15, poisson=False, lapse=0.02)
    found, _ = search(lapsing, lapsing.goal(), 3)
    assert found.rate == pytest.approx(lapsing.capacity, rel=0.08)


def test_a_rate_that_the_user_names_is_the_first_one() -> None:
    named, found = decide(Goal(first=37.0), []), decide(Goal(alone=0.5), [])
    assert isinstance(named, Probe)
    assert isinstance(found, Probe)
    assert (named.rate, found.rate) == (37.0, 8.0)


def test_after_the_first_overload_it_looks_just_under_what_was_answered() -> None:
    goal = Goal(alone=0.1)
    inside = Seen(40.0, (True,) * 200, 8.0, answered=40.0)
    step = decide(goal, [inside, Seen(120.0, (False,) * 50, 4.0, overloaded=True, answered=100.0)])
    assert isinstance(step, Probe)
    assert step.rate == pytest.approx(95.0)


def test_what_a_sick_server_answers_under_overload_is_no_hint_below_what_was_inside() -> None:
    """It collapsed: 10 of 120 answered, though it can 40."""
    goal = Goal(alone=0.1)
    inside = Seen(40.0, (True,) * 200, 8.0, answered=40.0)
    step = decide(goal, [inside, Seen(120.0, (False,) * 50, 4.0, overloaded=True, answered=10.0)])
    assert isinstance(step, Probe)
    assert 35 < step.rate < 120


def test_without_an_end_the_interval_has_none() -> None:
    goal = Goal(seconds=10.0)
    found = decide(goal, [Seen(50.0, (True,) * 300, 9.9, answered=50.0)])
    assert isinstance(found, Found)
    assert found.high == math.inf
    assert "highest rate was inside" in found.why
    assert not found.precise
    assert not found.bracketed


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 1e4), st.lists(st.booleans(), max_size=60), st.booleans(), st.floats(0, 1e4)),
        max_size=MOST_STAGES,
    )
)
def test_it_ends_whatever_it_sees(stages: list[tuple[float, list[bool], bool, float]]) -> None:
    goal = Goal()
    seen = [Seen(rate, tuple(hits), 8.0, overloaded, answered) for rate, hits, overloaded, answered in stages]
    step = decide(goal, seen)
    if isinstance(step, Probe):
        assert step.rate > 0
        assert 0 < step.seconds <= goal.seconds - 8.0 * len(seen) + 1e-6
    else:
        assert 0 <= step.low <= step.rate <= step.high
    assert isinstance(decide(goal, [*seen, *[Seen(1.0, (True,), 8.0)] * MOST_STAGES]), Found)


def test_wald_rules_on_independent_requests_as_often_as_it_says() -> None:
    """At twice the misses that are allowed it says "inside" in at most about 5 % of the stages, and the other way
    round."""
    chance = random.Random(1)  # noqa: S311

    def ruling(miss: float) -> Ruling:
        hits: list[bool] = []
        while len(hits) < 3000:
            hits.append(chance.random() >= miss)
            if (found := rule(hits, 0.95)) is not Ruling.OPEN:
                return found
        return Ruling.OPEN

    assert sum(ruling(0.10) is Ruling.INSIDE for _ in range(150)) <= 15
    assert sum(ruling(0.025) is Ruling.OUTSIDE for _ in range(150)) <= 15


def test_neighbours_that_miss_together_say_less() -> None:
    apart = [index % 10 != 0 for index in range(400)]
    together = [index % 200 >= 20 for index in range(400)]
    assert sum(apart) == sum(together)
    assert design_effect(apart, 0.95) == pytest.approx(1.0, abs=0.2)
    assert design_effect(together, 0.95) > 10
    assert rule(apart, 0.95) is Ruling.OUTSIDE
    assert rule(together, 0.95) is Ruling.OPEN


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=300), st.floats(0.5, 0.999))
def test_a_design_effect_is_at_least_one(hits: list[bool], goal: float) -> None:
    assert 1 <= design_effect(hits, goal) <= 99.1
    assert rule(hits, goal) in Ruling


def test_the_belief_lies_between_what_was_inside_and_what_was_not() -> None:
    belief = believe([Evidence(80.0, 300.0, 0.0), Evidence(120.0, 0.0, 40.0)], 0.95)
    assert 78 < belief.low < belief.median < belief.high < 122


def test_more_evidence_makes_it_narrower() -> None:
    few = believe([Evidence(80.0, 30.0, 0.0), Evidence(100.0, 28.0, 2.0), Evidence(120.0, 0.0, 10.0)], 0.95)
    many = believe([Evidence(80.0, 600.0, 0.0), Evidence(100.0, 560.0, 40.0), Evidence(120.0, 0.0, 200.0)], 0.95)
    assert many.width < few.width


def test_growth_is_told_from_chance() -> None:
    chance, level, steady, growing = random.Random(4), 30.0, [(0.0, 0)], [(0.0, 0)]  # noqa: S311
    for step in range(1, 81):
        level += chance.gauss(0, 3) - (level - 30) / 10
        steady.append((step / 4, max(0, round(level))))
        growing.append((step / 4, round(25 * step / 4)))
    assert growth(steady, 100.0, 0.2) < 4
    assert growth(growing, 100.0, 0.2) > 4


def test_an_empty_server_that_fills_does_not_grow() -> None:
    filling = [(step / 4, min(500, round(100 * step / 4))) for step in range(17)]
    assert growth(filling, 100.0, 5.0) == 0


def test_a_row_of_hits_does_not_end_a_stage_before_the_slo_is_tried() -> None:
    goal = Goal(alone=0.1, patience=5.0)
    watch = StageWatch(goal, Probe(100.0, 20.0, 1.0))
    assert not watch.enough(6.0, 10, [True] * 500)
    assert watch.enough(12.0, 10, [True] * 1000)
    near = StageWatch(goal, Probe(100.0, 20.0, 1.0, close=True))
    assert not near.enough(12.0, 10, [True] * 1000), "near the answer it goes on"


def test_runs_of_misses_are_learned_from_other_stages() -> None:
    """Not one miss in a stage says less of a server whose bad times, elsewhere, were long."""
    runs = Runs.of([index % 200 >= 20 for index in range(400)])
    assert design_effect([True] * 400, 0.95) == pytest.approx(3.0, rel=0.05)
    assert design_effect([True] * 400, 0.95, runs) > 15


def test_batches_see_bad_times_that_the_chain_does_not() -> None:
    """In the bad half every second request misses: no run is long, and yet the stage has seen one bad time."""
    halves = [index < 200 or index % 2 == 0 for index in range(400)]
    assert batch_effect([halves]) > 10
    chance = random.Random(2)  # noqa: S311
    assert batch_effect([[chance.random() > 0.1 for _ in range(400)] for _ in range(6)]) < 2


def test_no_rate_lasts_above_what_was_answered() -> None:
    evidence = [Evidence(80.0, 60.0, 0.0), Evidence(160.0, 0.0, 8.0)]
    assert believe(evidence, 0.95).high > 105
    assert believe(evidence, 0.95, most=105.0).high <= 105.1
