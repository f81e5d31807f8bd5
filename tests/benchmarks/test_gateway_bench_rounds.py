"""Which runs count, which are repeated, and in what order they come."""

from __future__ import annotations

import pytest

from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.rounds import REPEATS_MOST, TRIES, all_rounds
from benchmarks.gateway.validity import fault, hopeless, load_bound, wrong
from benchmarks.gateway.workloads import WORKLOADS, Workload
from tests.support.gateway_bench import seen

BY_NAME = {workload.name: workload for workload in WORKLOADS}
W1, L1000, M1000 = BY_NAME["w1"], BY_NAME["l1000"], BY_NAME["m1000"]


@pytest.mark.parametrize(
    ("run", "workload", "says"),
    [
        (seen("envoy", "w1", 0, proxy_cpu=0.95), W1, ""),
        (seen("envoy", "w1", 0, proxy_cpu=0.79), W1, "had 79% of its core"),
        (seen("envoy", "w1", 0, proxy_cpu=0.40, load_cpu=0.95), W1, ""),  # the load side was the limit: a lower bound
        (seen(DIRECT, "w1", 0, proxy_cpu=0.0), W1, ""),
        (seen("envoy", "l1000", 0, proxy_cpu=0.1), L1000, ""),
        (seen("envoy", "w1", 0, strangers=0.2), W1, "others used 20%"),
        (seen("envoy", "w1", 0, errors=3, error="502"), W1, "3 errors, the first: 502"),
        (seen("envoy", "w1", 0, requests=0), W1, "nothing was answered"),
        (seen("envoy", "l1000", 0, requests=980, late=20), L1000, "20 of 1000 requests"),
        (seen("envoy", "l1000", 0, requests=995, late=5), L1000, ""),
        (seen("envoy", "m1000", 0, requests=0, streams_open=1000), M1000, ""),
        (seen("envoy", "m1000", 0, requests=0, streams_open=900), M1000, "only 900 of 1000 streams"),
    ],
)
def test_why_a_run_does_not_count(run: Observation, workload: Workload, says: str) -> None:
    told = fault(run, workload)
    assert says in told
    assert bool(told) == bool(says)


def test_what_the_machine_did_is_no_wrong_of_the_proxy() -> None:
    assert not wrong(seen("envoy", "w1", 0, proxy_cpu=0.2, strangers=0.8), W1)
    assert wrong(seen("envoy", "w1", 0, errors=1, error="502"), W1)


def test_a_run_limited_by_the_load_side_is_known() -> None:
    assert load_bound(seen("vllm-cache", "w2", 0, proxy_cpu=0.5, load_cpu=0.97), BY_NAME["w2"])
    assert not load_bound(seen("vllm-cache", "w2", 0, proxy_cpu=0.9, load_cpu=0.97), BY_NAME["w2"])
    assert not load_bound(seen("vllm-cache", "l1000", 0, proxy_cpu=0.1, load_cpu=0.97), L1000)


def test_rounds_interleave_and_turn_round() -> None:
    asked: list[tuple[str, str, int]] = []

    def run(proxy: str, workload: Workload, number: int) -> Observation:
        asked.append((workload.name, proxy, number))
        return seen(proxy, workload.name, number, streams_open=1000)

    kept = all_rounds(run, fault, ["a", "b"], [W1, M1000], rounds=2)
    assert asked == [
        ("w1", "a", 0),
        ("w1", "b", 0),
        ("w1", "b", 1),
        ("w1", "a", 1),
        ("m1000", "b", 1),
        ("m1000", "a", 1),
    ]
    assert len(kept) == len(asked)


def test_a_spoiled_run_is_repeated_until_it_counts() -> None:
    shares = iter([0.5, 0.6, 0.9])
    kept = all_rounds(lambda *at: seen("a", "w1", 0, proxy_cpu=next(shares)), fault, ["a"], [W1], rounds=1)
    assert [(each.share, each.fault) for each in kept] == [(0.9, "")]


def test_a_run_that_stays_spoiled_says_so() -> None:
    asked: list[str] = []

    def run(proxy: str, workload: Workload, number: int) -> Observation:
        asked.append(proxy)
        return seen(proxy, workload.name, number, proxy_cpu=0.5)

    (kept,) = all_rounds(run, fault, ["a"], [W1], rounds=1)
    assert kept.fault == "the proxy had 50% of its core"
    assert len(asked) == TRIES


def test_repeats_are_bounded_over_the_whole_benchmark() -> None:
    asked: list[str] = []

    def run(proxy: str, workload: Workload, number: int) -> Observation:
        asked.append(proxy)
        return seen(proxy, workload.name, number, strangers=0.9)

    all_rounds(run, fault, ["a", "b"], [W1], rounds=100)
    assert len(asked) <= 200 + REPEATS_MOST + TRIES


def test_wrong_answers_are_not_asked_for_again() -> None:
    asked: list[str] = []

    def run(proxy: str, workload: Workload, number: int) -> Observation:
        asked.append(proxy)
        return seen(proxy, workload.name, number, errors=1, error="500")

    (kept,) = all_rounds(run, fault, ["a"], [W1], rounds=1)
    assert hopeless(kept)
    assert kept.fault
    assert len(asked) == 1


def test_what_a_proxy_is_not_able_to_do_is_not_asked() -> None:
    kept = all_rounds(
        lambda proxy, workload, number: seen(proxy, workload.name, number),
        fault,
        ["a", "b"],
        [W1, L1000],
        rounds=1,
        able=lambda proxy, workload: (proxy, workload.name) != ("b", "l1000"),
    )
    assert [(each.proxy, each.workload) for each in kept] == [("a", "w1"), ("b", "w1"), ("a", "l1000")]
