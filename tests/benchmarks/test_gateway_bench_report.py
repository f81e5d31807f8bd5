"""What the tables say of runs that count, that do not, and that were not made."""

from __future__ import annotations

import pytest

from benchmarks.gateway.flat import growth
from benchmarks.gateway.launch import Launch
from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.process import BenchError
from benchmarks.gateway.readme import replaced
from benchmarks.gateway.report import Report, aligned
from benchmarks.gateway.workloads import WORKLOADS
from tests.support.gateway_bench import seen


def report(*runs: Observation) -> Report:
    names = {each.workload for each in runs}
    launches = {proxy: Launch((), f"{proxy} 1.0") for proxy in dict.fromkeys(each.proxy for each in runs)}
    return Report(
        runs, {each.name: each for each in WORKLOADS if each.name in names}, launches, {"litellm": "no pip"}, "About."
    )


def row(text: str, title: str) -> list[str]:
    """The cells of the first row that begins with this."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_has_the_median_its_range_and_the_ratio_to_envoy() -> None:
    runs = [seen("headway", "w1", n, requests=1000 + 500 * n, proxy_cpu=1.0) for n in range(3)]
    runs += [seen("envoy", "w1", n, requests=1000) for n in range(3)]
    text = report(*runs).markdown()
    assert row(text, "headway")[1:4] == ["1,500 (1,000 to 2,000)", "1.50 (1.00 to 2.00)", "666.7 (500.0 to 1000.0)"]
    assert row(text, "1 KiB, requests/s over Envoy's")[2] == "1.50 (1.00 to 2.00) reached"


def test_a_row_whose_runs_never_counted_says_invalid_and_why() -> None:
    text = report(seen("envoy", "w1", 0, fault="the proxy had 50% of its core"), seen("nginx", "w1", 0)).markdown()
    assert row(text, "envoy")[1:4] == ["INVALID", "-", "INVALID"]
    assert "- `envoy` w1, round 1: the proxy had 50% of its core" in text


def test_a_rate_that_the_load_side_limited_is_a_lower_bound() -> None:
    assert row(report(seen("nginx", "w1", 0, proxy_cpu=0.5, load_cpu=0.99)).markdown(), "nginx")[1] == "≥ 1,000"


def test_added_latency_is_over_direct_in_the_same_round() -> None:
    runs = [seen(DIRECT, "l1000", n, times={"latency_p50": 0.1 * (n + 1), "latency_p99": 1.0}) for n in range(2)]
    runs += [
        seen("envoy", "l1000", n, times={"latency_p50": 0.1 * (n + 1) + 0.2, "latency_p99": 1.5}) for n in range(2)
    ]
    assert row(report(*runs).markdown(), "envoy")[1:3] == ["0.200 (0.200 to 0.200)", "0.500 (0.500 to 0.500)"]


def test_a_peer_that_cannot_be_had_is_told() -> None:
    assert "- `litellm` is missing: no pip" in report(seen("envoy", "w1", 0)).markdown()


def test_tables_line_up() -> None:
    assert aligned([["a", "b"], ["long", "1"]]) == "| a    | b |\n|------|--:|\n| long | 1 |"


def test_only_the_marked_part_of_a_page_is_replaced() -> None:
    page = "# Speed\n<!-- gateway -->\nold\n<!-- /gateway -->\nrest\n"
    assert replaced(page, "gateway", "new\n") == "# Speed\n<!-- gateway -->\nnew\n<!-- /gateway -->\nrest\n"
    with pytest.raises(BenchError, match="has no <!-- gateway -->"):
        replaced("# Speed\n", "gateway", "new")


def test_growth_compares_the_last_third_with_the_first() -> None:
    assert growth([100, 101, 99, 100, 102, 104, 110, 111, 109]) == pytest.approx(0.1)
    assert growth([100]) == 0
