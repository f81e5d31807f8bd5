"""The fit on rows that a known model made, the folds of the cross-validation, and both on the rows that others measured
where these are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from headway.perf.bands import KINDS, shape
from headway.perf.constants import Bands, constants
from headway.perf.evaluate.foresee import point
from headway.perf.evaluate.row import Measured, measured, settings
from headway.perf.fit.check import Left, folds
from headway.perf.fit.engines import fitted, played
from headway.perf.fit.parameters import PARAMETERS, changed
from headway.perf.fit.rows import Sample, samples
from headway.perf.fit.spreads import spreads
from headway.perf.fit.tables import tables
from headway.perf.prediction import Load
from tests.support.performance import measured_row

pytest.importorskip("scipy", reason="needs the extra headway[fit]")

SHARED = Path(__file__).parents[4] / "shared" / "data"
START = np.log([each.start for each in PARAMETERS])


def sample(row: Measured) -> Sample:
    found = settings(row)
    load = Load(row.prompt * 0.9, row.output * 0.9, concurrency=row.callers)
    return Sample(row, found, load, repr(found))


def rows() -> list[Measured]:
    changes = [
        {"tp_size": tensor, "isl": prompt, "silicon_data_source": f"silicon_concurrency={callers}", "system": system}
        for system in ("h100_sxm", "h200_sxm")
        for tensor in ("4", "8")
        for prompt in ("1024", "4096")
        for callers in (1, 16)
    ]
    return [measured(measured_row(osl="128", **each), 2) for each in changes]


def measured_by(rows: list[Measured], by: np.ndarray) -> list[Sample]:  # type: ignore[type-arg]
    """As if an engine with these constants had been measured."""
    truth = changed(constants(), PARAMETERS, by)
    made = []
    for row in rows:
        ttft, tpot, _, _ = point(row, settings(row), truth)
        made.append(sample(replace(row, ttft=ttft, tpot=tpot)))
    return made


def test_what_the_rows_were_made_with_is_found_again() -> None:
    """An engine that takes four times as long between steps, and whose prompts reach two thirds of the arithmetic."""
    names = [each.name for each in PARAMETERS]
    truth = START.copy()
    truth[names.index("engines.vllm.step")] += np.log(4)
    truth[names.index("kernels.flops.fp8")] += np.log(2 / 3)
    made = measured_by(rows(), truth)
    before = played(made, changed(constants(), PARAMETERS, START))
    found = fitted(made, constants(), rounds=1, evaluations=5)
    after = played(made, found.constants)
    told = np.array([[each.row.tpot, each.row.ttft] for each in made])
    missed, misses = (np.abs(each / told - 1).mean(axis=0) for each in (before, after))
    assert missed[0] > 0.15
    assert misses[0] < 0.04
    assert misses[1] < missed[1]
    assert found.constants.engines["vllm"].step > 2e-3


def test_what_no_row_tells_of_stays_where_it_starts() -> None:
    found = fitted(measured_by(rows()[:6], START), constants(), rounds=1, evaluations=4)
    assert found.constants.kernels.expert_stream == pytest.approx(0.7, rel=1e-3)
    assert found.constants.engines["sglang"].step == pytest.approx(1e-3, rel=1e-3)


def test_nothing_is_fitted_on_what_it_is_tested_on() -> None:
    found = [sample(each) for each in rows()]
    found += [sample(measured(measured_row(model_path="Qwen/Qwen3-32B", system=each), 2)) for each in ("h100_sxm",)]
    seen = dict.fromkeys(KINDS, 0)
    for kind, fit_on, test in folds(found):
        assert not {id(each) for each in fit_on} & {id(each) for each in test}
        models, accelerators = {each.model for each in fit_on}, {each.accelerator for each in fit_on}
        for each in test:
            seen[kind] += 1
            assert kind not in ("new-model", "new-both") or each.model not in models
            assert kind not in ("new-accelerator", "new-both") or each.accelerator not in accelerators
    assert seen["seen"] == seen["new-model"] == seen["new-accelerator"] == len(found)


def test_bands_hold_nine_of_ten_and_never_narrow_with_less_known() -> None:
    random = np.random.default_rng(7)
    one = sample(rows()[0])
    misses = {kind: 0.1 * (1 + rank) * random.standard_normal(400) for rank, kind in enumerate(KINDS)}
    left = [Left(kind, one, float(each), float(2 * each)) for kind, found in misses.items() for each in found]
    found = spreads(left)
    for kind in KINDS:
        spread = found[f"tpot/agg/vllm/{kind}"]
        inside = fmean(spread.low <= each <= spread.high for each in misses[kind])
        assert 0.88 <= inside <= 0.95
    assert found["tpot/agg/vllm/new-both"].high >= found["tpot/agg/vllm/seen"].high
    assert found["ttft/agg/vllm/seen"].high == pytest.approx(2 * found["tpot/agg/vllm/seen"].high, abs=1e-3)


def test_the_tables_tell_errors_and_what_bands_hold() -> None:
    random = np.random.default_rng(7)
    qwen = measured_row(model_path="Qwen/Qwen3-32B", silicon_data_source="silicon_concurrency=4")
    made = [sample(rows()[0]), sample(measured(qwen, 2))]
    left = [
        Left(kind, one, float(each), float(2 * each))
        for kind in KINDS
        for one in made
        for each in 0.1 * random.standard_normal(200)
    ]
    told = list(tables(left, replace(constants(), bands=Bands(spreads(left)))))
    seen = next(line for line in told if line.startswith("seen"))
    shares = [float(each.rstrip("%")) for each in seen.split() if each.endswith("%")]
    assert shares[0] == pytest.approx(8.0, abs=1.5)  # the mean of abs of a normal of 10 %
    assert shares[2] == pytest.approx(90.0, abs=3.0)
    unseen = [line for line in told if "TPOT" in line and line.startswith(KINDS)]
    assert len(unseen) == 2 * len(KINDS)  # without a model's rows, without an accelerator's
    for line in unseen:
        inside = float(line.split()[4].rstrip("%"))
        assert inside == pytest.approx(90.0 if line.startswith("seen") else 95.0, abs=3.0)  # as wide as it is served


def test_shapes_of_one_base_are_one_model() -> None:
    llama, tuned = (
        measured_row(model_path=each) for each in ("meta-llama/Llama-3.1-70B", "nvidia/Llama-3.1-70B-Instruct-FP8")
    )
    (one,), (other,) = settings(measured(llama, 2)), settings(measured(tuned, 2))
    assert shape(one.model) == shape(other.model)


def shared() -> list[Sample]:
    if not (SHARED / "perf" / "e2e_measured.csv").exists():
        pytest.skip("needs the measured rows, which others made and which are not part of the project (../shared/data)")
    return [each for each in samples(SHARED, constants()) if each.row.lane == "agg"]


def test_the_constants_of_the_package_predict_what_was_measured() -> None:
    """Every fifth InferenceMAX row: a looser bound than docs/performance.md publishes of all."""
    found = shared()[::5]
    told = np.array([[each.row.tpot, each.row.ttft] for each in found])
    errors = np.abs(played(found, constants()) / told - 1)
    assert errors[:, 0].mean() < 0.15
    assert np.median(errors[:, 1]) < 0.25


def test_a_model_left_out_is_predicted_by_the_others() -> None:
    """Kimi-K2.5, by a short fit on every fifth row of the others, from the priors alone."""
    found = shared()[::5]
    test = [each for each in found if "Kimi" in each.row.model]
    by = fitted([each for each in found if "Kimi" not in each.row.model], constants(), rounds=1, evaluations=3)
    told = np.array([each.row.tpot for each in test])
    assert np.abs(played(test, by.constants)[:, 0] / told - 1).mean() < 0.25
