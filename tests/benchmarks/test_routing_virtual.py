"""The routing benchmark in virtual time: everybody answers everything, and a second run is the same run."""

from __future__ import annotations

import pytest

from benchmarks.routing.virtual.clock import Clock
from benchmarks.routing.virtual.table import table
from benchmarks.routing.virtual.trial import SUBJECTS, Trial, tried

SEED = 3


def trial(subject: str, workload: str = "control") -> Trial:
    return Trial(workload, subject, 0, 0.15, SEED)


def test_what_is_due_at_once_is_done_in_the_order_it_was_asked_for() -> None:
    clock, done = Clock(), list[str]()
    clock.at(2.0, lambda: done.append("late"))
    clock.at(1.0, lambda: (done.append("one"), clock.at(0.5, lambda: done.append("at once")))[0])
    clock.at(1.0, lambda: done.append("two"))
    clock.at(9.0, lambda: done.append("never"))
    clock.run(5.0, lambda: False)
    assert done == ["one", "two", "at once", "late"]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_everything_is_answered_at_a_low_load(subject: str) -> None:
    (done,) = tried([trial(subject)], 1)
    assert done.figures is not None
    assert done.figures.requests > 20
    assert done.figures.missed == done.figures.faults == 0


def test_a_run_is_the_same_each_time_and_conversations_find_their_cache() -> None:
    first, second = tried([trial("predicted_latency", "chat")] * 2, 1)
    assert first == second
    assert first.figures is not None
    assert first.figures.hit_rate > 0.5
    rows = list(table([first]))
    assert rows[-1].startswith("| chat | predicted_latency | 0.")
