"""The Summary of runs that can be done by hand, and that it is a function of the records alone."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from headway.bench.facts import Generator
from headway.bench.schema import Interval, Slo, Summary
from headway.bench.summary import summarise
from tests.support.bench_records import answer, facts, failed, served


def whole(records, run=None, slo=None):
    return summarise(records, run or facts(rate=None), slo).whole


def test_the_figures_of_four_requests() -> None:
    """Two answered, one refused, one cancelled by the workload; 10 seconds."""
    records = [
        answer(0, 1.0, first=1.2, gaps=[100_000] * 4, prompt_tokens=100, cached_tokens=60),  # 1.0 .. 1.6
        answer(1, 2.0, first=2.4, gaps=[200_000] * 9, prompt_tokens=300, cached_tokens=40, wanted_tokens=20),  # .. 4.2
        failed(2, 3.0, status=429, ended=3.5),
        answer(3, 4.0, error="cancelled", ended=5.0),
    ]
    of = whole(records, facts(10.0, 0.4, warmup=0.0))
    assert of.seconds == 10.0
    assert msgspec.to_builtins(of.requests) == {
        "due": 4, "sent": 4, "answered": 2, "failed": 1, "cancelled": 1, "unsent": 0, "failures": {"429": 1}
    }  # fmt: skip
    assert of.rate.asked == pytest.approx(0.4)
    assert of.rate.realised == pytest.approx(0.4)
    assert of.rate.answered == pytest.approx(0.3)  # the cancelled one ended too
    assert of.rate.in_flight == pytest.approx((0.6 + 2.2 + 0.5 + 1.0) / 10)
    assert (of.tokens.input, of.tokens.output, of.tokens.cached) == (400, 15, 100)
    assert of.tokens.cached_share == pytest.approx(0.25)
    assert of.tokens.input_rate == pytest.approx(40.0)
    assert of.tokens.output_rate == pytest.approx(1.5)
    assert (of.tokens.shorter, of.tokens.longer, of.tokens.without_usage) == (1, 0, 0)
    assert of.tokens.sized == {"chunks": 2}
    ttft = of.latency.ttft_sched
    assert (ttft.count, ttft.beyond) == (2, 1)
    assert (ttft.mean, ttft.max) == (pytest.approx(0.3), pytest.approx(0.4))
    assert (ttft.p50, ttft.p75, ttft.p99) == (pytest.approx(0.4), None, None)  # the third of three failed
    assert of.latency.tpot.p50 == pytest.approx(0.1)
    assert of.latency.tpot.max == pytest.approx(0.2)
    itl = of.latency.itl
    assert (itl.count, itl.p50, itl.mean) == (13, pytest.approx(0.2), pytest.approx((4 * 0.1 + 9 * 0.2) / 13))
    assert of.goodput is None


def test_goodput_counts_who_was_inside_every_limit() -> None:
    records = [
        answer(0, 0.0),  # ttft 100 ms, itl 10 ms
        answer(1, 1.0, first=1.3),  # ttft 300 ms
        answer(2, 2.0, first=2.1, gaps=[60_000] * 4),  # itl 60 ms
        failed(3, 3.0),
        answer(4, 4.0, error="cancelled"),
        answer(5, 5.0, stream=False, gaps=[], ended=5.15, output_tokens=5),  # has no itl
    ]
    goodput = whole(records, facts(10.0, None, warmup=0.0), Slo(ttft=0.2, itl=0.05)).goodput
    assert goodput is not None
    assert (goodput.inside.inside, goodput.inside.of, goodput.inside.share) == (2, 5, 0.4)
    assert goodput.rate == pytest.approx(0.2)
    assert goodput.output_rate == pytest.approx(1.0)
    assert {name: (each.inside, each.of) for name, each in goodput.each.items()} == {"ttft": (3, 5), "itl": (2, 4)}


def test_one_long_gap_in_twenty_is_let_pass() -> None:
    kept = answer(0, gaps=[10_000] * 19 + [90_000])
    missed = answer(1, gaps=[10_000] * 18 + [90_000] * 2)
    goodput = whole([kept, missed], facts(1.0, None), Slo(itl=0.05)).goodput
    assert goodput is not None
    assert goodput.each["itl"].inside == 1


def test_each_part_of_a_mix_has_its_own_limits() -> None:
    records = [answer(0, 0.0, model="small"), answer(1, 0.1, model="big"), answer(2, 0.2, model="big", tenant="t")]
    slos = [Slo(ttft=0.05, model="small"), Slo(model="big", tenant="t"), Slo(ttft=0.2)]
    summary = summarise(records, facts(1.0, None), slos)
    assert summary.whole.goodput is not None
    assert (summary.whole.goodput.inside.inside, summary.whole.goodput.each["ttft"].of) == (2, 2)
    assert [(part.name, part.figures.requests.due) for part in summary.models] == [("big", 2), ("small", 1)]
    assert [part.name for part in summary.tenants] == ["", "t"]
    assert summary.adapters == summary.operations == summary.stages == []


def test_answers_after_the_last_arrival_make_no_rate() -> None:
    """8 a second for 60 s, and the rest while it drains: the rate is 8, the requests are all counted."""
    records = served(20, 8, 60, 1, law=0.0, cv=0.0)
    of = whole(records, facts(60, 20))
    assert of.requests.answered == 1200
    assert of.rate.answered == pytest.approx(8, abs=0.2)
    assert of.tokens.output_rate == pytest.approx(8 * 21, rel=0.03)
    assert of.latency.ttft_sched.count == 1200


def test_tokens_of_an_answer_that_spans_the_end_are_shared_out() -> None:
    of = whole([answer(0, 0.0, first=9.0, gaps=[500_000] * 4, ended=11.0)], facts(10.0, None))
    assert of.tokens.output_rate == pytest.approx(5 / 2 / 10)
    assert of.rate.answered == 0


def test_embeddings_have_no_times_per_token() -> None:
    record = answer(0, operation="embedding", stream=False, gaps=[], output_tokens=None, ended=0.2, wanted_tokens=0)
    of = whole([record], facts(1.0, None), Slo(ttft=0.3, tpot=0.1, itl=0.1))
    assert of.latency.tpot.count == of.latency.itl.count == of.latency.ntpot.count == 0
    assert of.latency.ttft_sched.p50 == pytest.approx(0.2)
    assert of.tokens.without_usage == 0
    assert of.goodput is not None
    assert of.goodput.inside.share == 1.0
    assert of.goodput.each["tpot"].share is None


def test_everything_failed() -> None:
    of = whole([failed(n, n * 0.1) for n in range(50)], facts(5.0, 10.0), Slo(ttft=1.0))
    assert of.latency.ttft_sched.p50 is None
    assert of.latency.ttft_sched.mean is None
    assert of.latency.ttft_sched.beyond == 50
    assert of.goodput is not None
    assert of.goodput.inside.share == 0.0


def test_an_empty_run() -> None:
    summary = summarise([], facts(0.0, None, ended=0.0), Slo(ttft=1.0))
    assert summary.whole.requests.due == 0
    assert summary.whole.rate.answered_interval == Interval(None, None)
    assert summary.whole.goodput is not None
    assert summary.whole.goodput.inside.share is None


@pytest.mark.parametrize(
    "records", [[], [answer()], [failed()], served(20, 8, 20, 1), [failed(n, n / 9) for n in range(60)]]
)
def test_the_json_has_no_number_that_is_none(records) -> None:
    summary = summarise(records, facts(20.0, 20.0, cv=1.0), Slo(ttft=0.2, itl=0.05, tpot=0.05, e2e=1.0))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = msgspec.json.encode(summary)
    json.loads(text, parse_constant=refuse)
    assert msgspec.json.decode(text, type=Summary) == summary


def test_the_order_of_the_records_does_not_matter() -> None:
    records = served(20, 30, 20, 4)
    shuffled = random.Random(1).sample(records, len(records))  # noqa: S311
    assert summarise(shuffled, facts(20.0)) == summarise(records, facts(20.0))


def test_the_generators_own_figures() -> None:
    generators = [
        Generator(cpu=6.0, cpu_share=0.5, loop_delays=[0.001] * 99 + [0.004]),
        Generator(cpu=3.0, cpu_share=0.7, loop_delays=[0.002] * 100),
        Generator(cpu=30.0, cpu_share=1.0, role="collector"),
    ]
    records = [answer(n, n / 20, started=n / 20 + 0.001) for n in range(1200)]
    found = summarise(records, facts(60.0, generators=generators)).generator
    assert (found.processes, found.cpu) == (3, 39.0)
    assert (found.cpu_share, found.cpu_peak) == (pytest.approx(0.1), 0.7)
    assert (found.loop_delay_p99, found.loop_delay_max) == (0.002, 0.004)
    assert found.send_lag.p99 == pytest.approx(0.001)
