"""Every formula on cases that can be done by hand."""

from __future__ import annotations

import math

import pytest

from headway.bench.measures import FORMULAS, failure, measured
from headway.bench.schema import Latencies
from tests.support.bench_records import answer, failed


def only(record, name: str) -> float:
    return float(getattr(measured([record]), name)[0])


def test_times_count_from_when_it_was_due_and_from_when_it_was_sent() -> None:
    late = answer(due=1.0, started=1.2, sent=1.25, first=1.5, ended=2.0, output_tokens=11, gaps=[50_000] * 10)
    assert only(late, "ttft_sched") == pytest.approx(0.5)
    assert only(late, "ttft_send") == pytest.approx(0.25)
    assert only(late, "e2e_sched") == pytest.approx(1.0)
    assert only(late, "e2e_send") == pytest.approx(0.75)
    assert only(late, "send_lag") == pytest.approx(0.2)
    assert only(late, "connect") == pytest.approx(0.05)
    assert only(late, "tpot") == pytest.approx(0.05)  # (0.75 - 0.25) / 10
    assert only(late, "ntpot") == pytest.approx(1.0 / 11)


def test_without_a_time_of_being_taken_up_the_lag_is_until_it_was_sent() -> None:
    assert only(answer(due=1.0, started=None, sent=1.2), "send_lag") == pytest.approx(0.2)
    assert only(answer(due=1.0, started=None, sent=1.2), "connect") == 0


@pytest.mark.parametrize(
    "record",
    [answer(stream=False, ended=0.7, first=0.6, gaps=[]), answer(first=None, ended=0.7, gaps=[], output_tokens=0)],
)
def test_what_was_not_streamed_or_says_nothing_has_its_first_token_at_its_end(record) -> None:
    assert only(record, "ttft_sched") == pytest.approx(0.7)
    assert only(record, "ttft_send") == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("given", "tpot", "ntpot"),
    [
        ({"output_tokens": 0, "gaps": []}, False, False),
        ({"output_tokens": 1, "gaps": []}, False, True),
        ({"output_tokens": None}, False, False),
        ({"output_tokens": 2, "gaps": [10_000]}, True, True),
        ({"output_tokens": 5, "stream": False}, False, True),
        ({"output_tokens": 5, "operation": "embedding"}, False, False),
    ],
)
def test_who_has_a_time_per_token(given, tpot: bool, ntpot: bool) -> None:
    assert math.isfinite(only(answer(**given), "tpot")) is tpot
    assert math.isfinite(only(answer(**given), "ntpot")) is ntpot


def test_all_in_one_chunk_is_no_time_between_tokens() -> None:
    whole = answer(first=0.4, gaps=[], ended=0.4, output_tokens=8)
    assert only(whole, "tpot") == 0
    assert only(whole, "ttft_sched") == pytest.approx(0.4)
    assert not len(measured([whole]).gaps.seconds)


@pytest.mark.parametrize("error", ["http", "timeout", "stream", "connect", "reset", "closed", "unsent"])
def test_a_failed_request_is_longer_than_any(error: str) -> None:
    of = measured([failed(error=error), answer(1, error=error)])
    for name in ("ttft_sched", "ttft_send", "e2e_sched", "e2e_send"):
        assert list(getattr(of, name)) == [math.inf, math.inf]
    assert math.isnan(of.tpot[0])
    assert not of.answered.any()
    assert of.failed.all()
    assert not len(of.gaps.seconds)


@pytest.mark.parametrize("error", ["cancelled", "interrupted"])
def test_what_was_cancelled_here_is_no_failure_and_has_no_latency(error: str) -> None:
    of = measured([answer(error=error)])
    assert not of.failed.any()
    assert not of.answered.any()
    assert math.isnan(of.ttft_sched[0])
    assert math.isnan(of.e2e_send[0])


def test_what_the_server_broke_off_is_a_failure() -> None:
    of = measured([answer(finish="abort"), answer(finish="length"), answer(finish="stop")])
    assert list(of.failed) == [True, False, False]


def test_an_answer_without_an_end_is_none() -> None:
    of = measured([answer(ended=None)])
    assert of.failed.all()
    assert of.ended[0] == math.inf


def test_clocks_that_show_the_same_moment() -> None:
    instant = answer(due=5.0, first=5.0, gaps=[0, 0], ended=5.0)
    assert [only(instant, name) for name in ("ttft_sched", "e2e_sched", "tpot", "ntpot")] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("record", "word"),
    [
        (failed(status=429), "429"),
        (failed(error="timeout", status=0), "timeout"),
        (failed(error="stream", status=200), "stream"),
        (failed(error="", status=302), "302"),
        (failed(error="", status=0), "closed"),
        (answer(finish="abort"), "abort"),
    ],
)
def test_what_a_failure_is_called(record, word: str) -> None:
    assert failure(record) == word


def test_nothing_at_all_can_be_measured() -> None:
    of = measured([])
    assert len(of) == 0
    assert len(of.ttft_sched) == 0


def test_every_latency_has_its_formula() -> None:
    assert set(Latencies.__struct_fields__) <= set(FORMULAS)
