"""The statistics of `--compare`, on runs whose difference is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headway.bench.compare import Comparison, Row, Sample, compare

Floats = np.typing.NDArray[np.float64]


def run(ttft: Floats, name: str = "run", *, hit: Floats | None = None, keys: int = 0) -> Sample:
    """`keys`: another number is another schedule."""
    count = len(ttft)
    columns = {
        "ttft_due": ttft,
        "ttft_sent": ttft,
        "e2e_due": ttft + 1.0,
        "tpot": np.full(count, 0.02),
        "hit": np.full(count, np.nan) if hit is None else hit,
        "answered": np.ones(count),
        "output_tokens": np.full(count, 100.0),
    }
    return Sample(name, [(keys, number) for number in range(count)], columns, count / 10)


def row(found: Comparison, name: str) -> Row:
    return next(each for each in found.rows if each.statistic.name == name)


def hard(seed: int, count: int = 600) -> Floats:
    """How hard each request is: most of what latencies differ by, and equal on both sides."""
    return np.random.default_rng(seed).lognormal(-2, 0.8, count)


def test_pairs_show_what_single_figures_cannot() -> None:
    """5 % slower, where requests differ among themselves by several times that."""
    base, chance = hard(1), np.random.default_rng(2)
    a, b = run(base), run(base * 1.05 * chance.lognormal(0, 0.01, len(base)))
    paired = row(compare([a], [b]), "TTFT from due p50")
    assert compare([a], [b]).method == "paired"
    assert paired.low <= 1.05 <= paired.high
    assert paired.told == "worse"
    other = compare([a], [run(b.columns["ttft_due"], keys=1)])
    assert other.method == "unpaired"
    unpaired = row(other, "TTFT from due p50")
    assert unpaired.high - unpaired.low > 2 * (paired.high - paired.low)
    assert any("schedules" in each for each in other.limits)


def test_nothing_is_seen_where_nothing_is() -> None:
    found = compare([run(hard(1))], [run(hard(2), keys=1)])
    assert row(found, "TTFT from due p50").told == "no difference seen"
    assert row(found, "TTFT from due p50").low < 1 < row(found, "TTFT from due p50").high


@pytest.mark.parametrize("paired", [True, False])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(paired: bool) -> None:
    """Equal laws on both sides, neighbours alike (one slow drift): nine of ten intervals and more must hold 1."""
    held, rounds = 0, 40
    for seed in range(rounds):
        chance = np.random.default_rng(seed)
        sides = []
        for side in range(2):
            drift = np.repeat(chance.lognormal(0, 0.3, 60), 5)
            sides.append(run(0.1 * drift * chance.lognormal(0, 0.1, 300), keys=0 if paired else side))
        found = row(compare([sides[0]], [sides[1]]), "TTFT from due p90")
        held += found.low <= 1 <= found.high
    assert held >= 0.85 * rounds


def test_three_runs_a_side_are_compared_as_runs() -> None:
    """Runs differ by 10 % among themselves, B is 30 % slower: only runs can tell how much runs differ."""
    chance = np.random.default_rng(5)
    day = chance.lognormal(0, 0.1, 4)
    a = [run(hard(seed) * day[seed], f"a{seed}") for seed in range(4)]
    b = [run(hard(seed) * day[seed] * 1.3 * chance.lognormal(0, 0.02), f"b{seed}") for seed in range(4)]
    found = compare(a, b)
    assert found.method == "runs"
    assert not found.limits
    seen = row(found, "TTFT from due p50")
    assert seen.low < 1.3 < seen.high
    assert seen.told == "worse"


def test_better_is_higher_for_shares_and_rates() -> None:
    ttft = hard(1)
    a, b = run(ttft, hit=(ttft < 0.1).astype(float)), run(ttft / 2, hit=(ttft / 2 < 0.1).astype(float))
    found = compare([a], [b])
    assert row(found, "inside the SLO").told == "better"
    assert row(found, "TTFT from due p50").told == "better"
    assert row(found, "answered a second").told == "no difference seen"


def test_a_percentile_that_falls_on_failures_cannot_be_compared() -> None:
    failing = hard(1)
    failing[::20] = math.inf
    found = compare([run(hard(1))], [run(failing)])
    assert row(found, "TTFT from due p99").told == "cannot be compared"
    assert row(found, "TTFT from due p50").told != "cannot be compared"


def test_figures_that_a_side_lacks_are_left_out() -> None:
    found = compare([run(hard(1))], [run(hard(1))])
    assert "inside the SLO" not in [each.statistic.name for each in found.rows]
    assert all(each.ratio == pytest.approx(1.0) for each in found.rows)


def test_unequal_numbers_of_runs_are_not_paired() -> None:
    found = compare([run(hard(1))], [run(hard(1)), run(hard(2))])
    assert found.method == "unpaired"
    assert any("1 against 2 runs" in each for each in found.limits)


def test_it_is_the_same_each_time() -> None:
    a, b = run(hard(1)), run(hard(3), keys=1)
    assert compare([a], [b]) == compare([a], [b])
