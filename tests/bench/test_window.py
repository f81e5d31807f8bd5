"""What counts of a run: warm-up and drain left out by rules that cannot flatter."""

from __future__ import annotations

import numpy as np
import pytest

from headway.bench.facts import StageFacts
from headway.bench.growth import growth, waiting
from headway.bench.measures import measured
from headway.bench.window import counted, mser5, windows
from tests.support.bench_records import answer, facts, failed, served


def test_what_waits_is_what_was_due_and_has_not_ended() -> None:
    due, ended = np.array([0.0, 1.0, 2.0]), np.array([1.5, 2.0, np.inf])
    assert list(waiting(due, ended, np.array([0.0, 0.5, 1.5, 2.0, 2.5, 9.0]))) == [0, 1, 1, 0, 1, 1]


def test_mser_leaves_out_the_beginning_that_is_unlike_the_rest() -> None:
    row = np.concatenate((np.linspace(0, 50, 50), np.full(450, 50.0)))
    assert 40 <= mser5(row) <= 60
    assert mser5(np.full(500, 3.0)) == 0


def test_mser_never_leaves_out_more_than_half() -> None:
    assert mser5(np.linspace(0, 400, 400)) == 200


def test_a_run_that_fills_for_seconds_counts_from_when_it_is_full() -> None:
    records = [answer(n, n * 0.05, first=n * 0.05 + 0.1, gaps=[500_000] * 10) for n in range(1200)]  # 5.1 s each
    [window] = windows(measured(records), facts(60, 20, cv=0.0))
    assert window.rule == "mser-5"
    assert 4.0 <= window.start <= 6.0
    assert window.end == 60.0


def test_a_slow_start_is_the_servers_own_and_stays_in() -> None:
    """The first 200 requests wait for a model that compiles; leaving them out would flatter."""
    records = [answer(n, n * 0.05, first=max(10.0, n * 0.05) + 0.1) for n in range(1200)]
    of = measured(records)
    [window] = windows(of, facts(60, 20))
    assert window.start == 0.0
    assert counted(of, [window])[0].all()


def test_a_stall_in_mid_run_is_not_cut_away() -> None:
    """3 s in which nothing is answered, a fifth into the run."""
    records = [
        answer(n, n * 0.05, first=max(n * 0.05, 15.0 if 12.0 <= n * 0.05 < 15.0 else 0.0) + 0.1) for n in range(1200)
    ]
    [window] = windows(measured(records), facts(60, 20))
    assert window.start < 11.0


@pytest.mark.parametrize(("asked", "start"), [(5.0, 5.0), (45.0, 30.0), (0.0, 0.0)])
def test_an_explicit_warmup_is_kept_to_and_bounded_by_half(asked: float, start: float) -> None:
    records = [answer(n, n * 0.05) for n in range(1200)]
    [window] = windows(measured(records), facts(60, 20, warmup=asked))
    assert window.start == start
    assert window.rule == ("explicit" if start else "none")


def test_a_closed_loop_leaves_out_its_first_round() -> None:
    records = [answer(n, (n // 8) * 0.5 + (n % 8) * 0.01) for n in range(400)]
    of = measured(records)
    [window] = windows(of, facts(25, None, concurrency=8))
    assert window.rule == "first-round"
    assert counted(of, [window])[0].sum() == 392
    assert window.growth is None


def test_requests_count_by_when_they_were_due_in_their_own_stage() -> None:
    stages = [StageFacts("one", 0, 10, 1.0), StageFacts("two", 10, 20, 1.0)]
    records = [answer(n, float(n), stage=n // 10, ended=99.0 if n == 9 else n + 0.5) for n in range(20)]
    of = measured(records)
    spans = windows(of, facts(stages=stages))
    first, second = counted(of, spans)
    assert list(np.flatnonzero(first)) == list(range(10))  # the one that took 90 s too
    assert list(np.flatnonzero(second)) == list(range(10, 20))
    assert [span.asked for span in spans] == [1.0, 1.0]


def test_a_run_that_was_ended_early_ends_there() -> None:
    records = [answer(n, n * 0.05) for n in range(200)]
    [window] = windows(measured(records), facts(60, 20, stopped=10.0, warmup=0.0))
    assert window.end == 10.0
    assert counted(measured(records), [window])[0].all()


def test_of_so_many_requests_none_is_lost_when_the_last_comes_after_the_stages_end() -> None:
    records = [answer(n, n * 0.06) for n in range(100)]
    of = measured(records)
    assert counted(of, windows(of, facts(5.0, 20.0, warmup=0.0)))[0].all()


def test_nothing_due_is_a_window_without_requests() -> None:
    [window] = windows(measured([]), facts(5.0))
    assert (window.start, window.end, window.growth) == (0.0, 5.0, None)


def test_growth_is_what_arrives_less_what_is_answered() -> None:
    """20 a second at a server that answers 8: it grows by 12 a second, and nothing is left out as warm-up."""
    [window] = windows(measured(served(20, 8, 60, 1, law=0.0, cv=0.0)), facts(60, 20))
    assert window.rule == "none"
    assert window.growth is not None
    assert window.growth.rate == pytest.approx(12.0, abs=0.5)
    assert window.growth.growing
    assert window.growth.slower
    assert window.growth.interval.low is not None
    assert window.growth.interval.low < 12.0


def test_a_window_that_only_fills_grows_and_gets_no_slower() -> None:
    records = [answer(n, n * 0.2, first=n * 0.2 + 0.1, ended=n * 0.2 + 100.0) for n in range(300)]
    found = growth(measured(records), 30.0, 60.0)
    assert found is not None
    assert found.growing
    assert not found.slower


def test_requests_that_never_end_are_waited_for_to_the_last() -> None:
    records = [failed(n, n * 0.1, error="timeout", status=0, ended=None) for n in range(300)]
    found = growth(measured(records), 0.0, 30.0)
    assert found is not None
    assert found.at_end == 300
    assert found.growing


def test_of_a_few_requests_nothing_is_said() -> None:
    assert growth(measured([answer(n, n * 0.1) for n in range(20)]), 0.0, 2.0) is None
