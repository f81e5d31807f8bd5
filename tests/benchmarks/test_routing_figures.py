"""Of samples to figures, of rounds to verdicts: the arithmetic of benchmarks/routing."""

from __future__ import annotations

import math

import pytest

from benchmarks.routing.figures import Figures, Sample, percentile, summed_up
from benchmarks.routing.overhead import engine_seconds
from benchmarks.routing.paired import ratio
from benchmarks.routing.report import judged, rounds_of, told
from benchmarks.routing.rounds import turned
from benchmarks.routing.run import Run, Validity
from benchmarks.routing.verdict import against, verdicts
from benchmarks.routing.workloads import WORKLOADS


def test_percentiles_are_of_values_that_were_seen() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile([3.0], 0.95) == 3
    assert math.isnan(percentile([], 0.5))


def test_figures_of_samples() -> None:
    samples = [Sample(9.0, 0.1 * n, 1.0 * n, prompt_tokens=100, cached_tokens=10 * n) for n in range(1, 5)]
    figures = summed_up(samples)
    assert (figures.requests, figures.missed, figures.faults) == (4, 0, 0)
    assert figures.ttft_p50 == pytest.approx(0.2)
    assert figures.ttft_mean == pytest.approx(0.25)
    assert figures.e2e_p50 == pytest.approx(2.0)
    assert figures.hit_rate == pytest.approx(0.25)


def test_failing_quickly_never_looks_good() -> None:
    good = [Sample(9.0, 1.0, 2.0)] * 9
    figures = summed_up([*good, Sample(8.0, fault="status 500")])
    assert (figures.missed, figures.faults) == (1, 1)
    assert figures.ttft_p95 == 8.0
    cut = summed_up([*good, Sample(8.0, 0.01, fault="connection broke")])
    assert cut.ttft_p95 == 8.0


def test_one_that_still_streams_has_its_first_token_and_misses_its_end() -> None:
    figures = summed_up([Sample(9.0, 1.0)])
    assert (figures.missed, figures.faults) == (1, 0)
    assert (figures.ttft_p50, figures.e2e_p50) == (1.0, 9.0)


def test_a_ratio_and_its_interval() -> None:
    """Logarithms -0.1, 0, 0.1, 0.2, 0.3: mean 0.1, deviation 0.1581, so a half width of 2.776 * 0.1581 / sqrt(5)."""
    theirs = [2.0, 4.0, 1.0, 3.0, 5.0]
    ours = [value * math.exp(log) for value, log in zip(theirs, (-0.1, 0.0, 0.1, 0.2, 0.3), strict=True)]
    found = ratio(ours, theirs)
    assert found.middle == pytest.approx(math.exp(0.1))
    assert found.high == pytest.approx(math.exp(0.1 + 0.1963), rel=1e-3)
    assert found.low == pytest.approx(math.exp(0.1 - 0.1963), rel=1e-3)
    assert found.rounds == 5


def test_the_ratio_of_a_ratio_is_its_inverse() -> None:
    one, other = [1.0, 2.0, 3.0], [2.0, 2.5, 9.0]
    there, back = ratio(one, other), ratio(other, one)
    assert there.middle == pytest.approx(1 / back.middle)
    assert there.low == pytest.approx(1 / back.high)


def test_one_round_bounds_nothing() -> None:
    found = ratio([1.0], [2.0])
    assert (found.middle, found.low, found.high) == (0.5, 0.0, math.inf)
    assert str(found) == "0.50 (one round)"


def test_only_rounds_that_both_have_are_compared() -> None:
    rounds = {"a": {0: 1.0, 1: 1.0}, "b": {1: 2.0, 2: 100.0}, "c": {5: 1.0}}
    found = against(rounds, "a", "b")
    assert found is not None
    assert (found.middle, found.rounds) == (0.5, 1)
    assert against(rounds, "a", "c") is None
    assert against(rounds, "a", "nobody") is None


def five(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_the_three_reaches() -> None:
    rounds = {
        "predicted_latency": five(1.0, 1.1, 0.9, 1.0, 1.0),
        "least_request": five(2.0, 2.2, 1.9, 2.0, 2.1),
        "power_of_two": five(1.5, 1.5, 1.5, 1.5, 1.5),
        "vllm-router": five(1.2, 1.3, 1.1, 1.2, 1.2),
        "sglang-router": five(4.0, 4.0, 4.0, 4.0, 4.0),
    }
    best, peers, least = verdicts("chat", rounds, ("vllm-router", "sglang-router"), talks=True, shares=True)
    assert (best.reached, peers.reached, least.reached) == (True, True, True)
    assert "vllm-router" in best.said
    assert "vllm-router" in peers.said
    assert "least_request" in least.said


def test_a_reach_that_is_missed_says_by_what() -> None:
    rounds = {
        "predicted_latency": five(1.0, 1.0, 1.0, 1.0, 1.01),
        "least_request": five(1.2, 1.2, 1.2, 1.2, 1.2),
        "prefix_affinity": five(0.9, 0.9, 0.9, 0.9, 0.9),
        "vllm-router": five(1.05, 1.05, 1.05, 1.05, 1.05),
    }
    best, peers, least = verdicts("agentic", rounds, ("vllm-router",), talks=True, shares=True)
    assert (best.reached, peers.reached, least.reached) == (False, False, False)
    assert best.said == "1.11 (1.11 to 1.12) of prefix_affinity"


def test_worse_within_the_interval_is_excused_by_five_rounds_and_not_by_one() -> None:
    ours, theirs = five(1.0, 2.0, 1.0, 2.0, 1.2), five(1.1, 1.2, 1.2, 1.1, 1.2)
    (best,) = verdicts("rag", {"predicted_latency": ours, "vllm-router": theirs}, (), talks=False, shares=False)
    assert best.reached
    one = {"predicted_latency": {0: 2.0}, "vllm-router": {0: 1.2}}
    (best,) = verdicts("rag", one, (), talks=False, shares=False)
    assert best.reached is False


def test_what_did_not_run_is_not_told() -> None:
    for rounds in ({}, {"predicted_latency": five(1.0)}, {"least_request": five(1.0)}):
        found = verdicts("chat", rounds, ("vllm-router",), talks=True, shares=True)
        assert [verdict.reached for verdict in found] == [None, None, None]


def test_a_routers_own_time_counts_once() -> None:
    assert engine_seconds(0.1, 4.0, 0.0) == pytest.approx(0.4)
    assert engine_seconds(0.1, 4.0, 0.04) == pytest.approx(4 * 0.06 + 0.04)
    assert engine_seconds(0.1, 1.0, 0.04) == pytest.approx(0.1)
    assert engine_seconds(0.03, 4.0, 0.04) == 0.03, "no wait is shorter than it was"


def test_who_is_first_changes_with_the_round() -> None:
    assert [turned("abc", number) for number in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_nothing_is_reached_against_those_who_have_no_valid_round() -> None:
    rounds = {"predicted_latency": five(1.0), "least_request": five(2.0), "vllm-router": {}}
    best, peers, least = verdicts("chat", rounds, ("vllm-router",), talks=True, shares=True)
    assert (best.reached, peers.reached, least.reached) == (None, None, True)
    assert best.said.endswith("no valid round of vllm-router")
    slow = verdicts("chat", rounds | {"predicted_latency": five(9.0)}, (), talks=False, shares=False)
    assert slow[0].reached is False, "that one is better is enough to miss it"


GOOD = Validity(0.001, 0.002, 0.0, 0.4, 0.1, 0.2, 0.3)
LATE = Validity(0.05, 0.002, 0.0, 0.4, 0.1, 0.2, 0.3)


def run(subject: str, number: int, p95: float, validity: Validity = GOOD, missed: int = 0) -> Run:
    figures = Figures(100, missed, 0, p95 / 4, p95, p95 / 3, 2.0, 0.8)
    return Run("chat", subject, number, figures, validity, 120, 0.001, 8.0)


def test_a_run_is_invalid_for_each_of_its_reasons() -> None:
    assert not GOOD.faults
    assert LATE.faults == ("generator late by 50 ms at p99",)
    everything = Validity(0.05, 0.05, 1.0, 0.99, 0.1, 0.2, 0.3)
    assert len(everything.faults) == 4


def test_real_engines_may_use_the_machine() -> None:
    busy = Validity(0.05, 0.05, 0.0, 0.99, 0.1, 0.2, 1.7, simulated=False)
    assert not busy.faults


def test_invalid_runs_are_in_no_comparison_and_said() -> None:
    runs = [run("predicted_latency", 0, 1.0), run("predicted_latency", 1, 9.0, LATE), run("vllm-router", 0, 2.0)]
    assert rounds_of(runs, lambda figures: figures.ttft_p95) == {"predicted_latency": {0: 1.0}, "vllm-router": {0: 2.0}}
    text = told(WORKLOADS["chat"], runs)
    assert "| predicted_latency | 0.250" in text
    assert "1 of 2: generator late by 50 ms at p99" in text
    assert "INVALID" in told(WORKLOADS["chat"], [run("vllm-router", 0, 1.0, LATE)])


def test_a_tail_of_misses_is_marked_as_a_lower_bound() -> None:
    assert ">8.000" in told(WORKLOADS["chat"], [run("vllm-router", 0, 8.0, missed=6)])
    assert ">" not in told(WORKLOADS["chat"], [run("vllm-router", 0, 8.0, missed=5)])


def test_verdicts_of_runs() -> None:
    runs = [run("predicted_latency", 0, 1.0), run("vllm-router", 0, 2.0), run("least_request", 0, 3.0)]
    assert [verdict.reached for verdict in judged(WORKLOADS["chat"], runs, ("vllm-router",))] == [True, True, True]
