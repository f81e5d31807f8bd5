"""Errors, bands and regret by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headway.perf.evaluate.foresee import Foreseen
from headway.perf.evaluate.regret import mean_regret, picks
from headway.perf.evaluate.row import Measured, measured
from headway.perf.evaluate.scores import Scored, scores
from headway.perf.prediction import Band
from tests.support.performance import measured_row


def row(**changed: str) -> Measured:
    return measured(measured_row(**changed), 2)


def foreseen(tpot: float, ttft: float = 0.126, accelerators: int = 4) -> Foreseen:
    return Foreseen(Band(ttft / 2, ttft, ttft * 2), Band(tpot * 0.8, tpot, tpot * 1.25), accelerators, 1.0)


def test_errors_are_of_the_measured_value() -> None:
    one = Scored(row(silicon_tpot_ms="10"), foreseen(0.012))
    other = Scored(row(silicon_tpot_ms="10"), foreseen(0.006))
    group, whole = scores([one, other])
    assert group.group == ("h200_sxm", "meta-llama/Llama-3.1-70B", "vllm", "agg")
    assert (group.tpot.mean, group.tpot.median) == (pytest.approx(0.3), pytest.approx(0.3))
    assert group.tpot.inside == 0.5
    assert group.tpot.width == pytest.approx(1.25 / 0.8)
    assert whole.rows == 2


def test_what_cannot_be_predicted_counts_in_full() -> None:
    _, whole = scores([Scored(row(), foreseen(0.0109)), Scored(row(), None, "why")])
    assert (whole.rows, whole.predicted) == (2, 1)
    assert whole.tpot.mean == pytest.approx(0.5)
    assert whole.tpot.inside == 0.5


def test_a_perfect_prediction_has_no_regret() -> None:
    found = [
        Scored(row(id="four", silicon_tpot_ms="11"), foreseen(0.011)),
        Scored(row(id="eight", silicon_tpot_ms="9", tp_size="8"), foreseen(0.009, accelerators=8)),
    ]
    chosen = list(picks(found))
    assert {each.pick for each in chosen} == {"four"}
    assert mean_regret(chosen) == 0


def test_regret_is_what_the_pick_costs_more() -> None:
    """Eight accelerators are believed to be so fast that they are cheaper; measured, they are not."""
    four = Scored(row(id="four", silicon_tpot_ms="11"), foreseen(0.011))
    eight = Scored(row(id="eight", silicon_tpot_ms="9", tp_size="8"), foreseen(0.004, accelerators=8))
    chosen = [each for each in picks([four, eight]) if each.limit == 0.015]
    took = {name: 0.126 + tpot * 1023 for name, tpot in (("four", 0.011), ("eight", 0.009))}
    (only,) = chosen
    assert (only.pick, only.best, only.meets) == ("eight", "four", True)
    assert only.regret == pytest.approx(8 * took["eight"] / (4 * took["four"]) - 1)


def test_a_pick_that_misses_its_limit_is_told() -> None:
    found = [
        Scored(row(id="slow", silicon_tpot_ms="16"), foreseen(0.014)),
        Scored(row(id="fast", silicon_tpot_ms="9", tp_size="8"), foreseen(0.012, accelerators=8)),
    ]
    only = next(each for each in picks(found) if each.limit == 0.015)
    assert (only.pick, only.meets) == ("slow", False)


def test_one_candidate_is_no_choice() -> None:
    assert not list(picks([Scored(row(), foreseen(0.011))]))
    unknown = replace(foreseen(0.011), accelerators=0)
    assert not list(picks([Scored(row(), unknown), Scored(row(), unknown)]))
