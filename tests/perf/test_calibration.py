"""What was measured changes the figures that predictions start from, by the rules that docs/measure.md tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.engines import calibrations
from headway.errors import UsageError
from headway.paths import StateDir
from headway.perf.calibration import USUAL, Calibration, Point, applied
from headway.perf.catalog.accelerators import accelerator

H100 = accelerator("H100")
GPU = Calibration(
    device="NVIDIA H100 80GB HBM3",
    accelerator="H100-SXM",
    engine="torch",
    measured="2026-11-21T20:00:00Z",
    by="torch 2.9",
    bandwidth=3.1e12,
    memory=85_000_000_000,
    flops={"bf16": 7e14},
    points=(Point(0.02, 0.01, prompt=512), Point(0.03, 0.01, sequences=16, context=1024)),
)
CORES = replace(
    GPU, device="x86_64", accelerator="CPU-8", engine="llamacpp", bandwidth=2e10, memory=16 << 30, flops={"f32": 1e11}
)


def test_a_sound_gpu_is_as_its_data_sheet_says() -> None:
    found = applied(H100, GPU)
    assert (found.bandwidth, found.flops) == (H100.bandwidth, H100.flops)
    assert found.source.endswith("measured here 2026-11-21")


def test_a_capped_gpu_is_slower() -> None:
    found = applied(H100, replace(GPU, bandwidth=GPU.bandwidth / 4, flops={"bf16": 1e14}))
    assert found.bandwidth == pytest.approx(GPU.bandwidth / 4 / USUAL["bandwidth"])
    assert found.flops["bf16"] == pytest.approx(1e14 / USUAL["bf16"])
    assert found.flops["fp8"] == H100.flops["fp8"]  # was not measured


def test_cores_become_what_makes_the_prediction_true() -> None:
    found = applied(accelerator("cpu"), CORES)
    assert (found.memory, found.bandwidth) == (16 << 30, pytest.approx(2e10 / 3))
    assert found.flops == {"bf16": pytest.approx(1e11 / 2)}


def test_without_a_prediction_nothing_is_scaled() -> None:
    bare = replace(CORES, points=(Point(0.1, prompt=128), Point(0.1, sequences=1)))
    assert (bare.prefill, bare.decode) == (1.0, 1.0)


@given(bandwidth=st.floats(1e9, 1e14), rate=st.floats(1e9, 1e16))
def test_a_gpu_never_gets_better_than_stated(bandwidth: float, rate: float) -> None:
    found = applied(H100, replace(GPU, bandwidth=bandwidth, flops={"bf16": rate, "fp8": rate}))
    assert 0 < found.bandwidth <= H100.bandwidth
    assert all(0 < found.flops[dtype] <= H100.flops[dtype] for dtype in H100.flops)


def test_the_file_keeps_one_of_each_device(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    assert calibrations.kept(state) == ()
    assert calibrations.calibrated(H100, state) is H100
    path = calibrations.keep(state, GPU)
    calibrations.keep(state, CORES)
    later = replace(GPU, measured="2026-12-01T00:00:00Z")
    assert calibrations.keep(state, later) == path == state.root / "calibration.json"
    assert calibrations.kept(state) == (CORES, later)
    assert calibrations.calibrated(H100, state) == applied(H100, later)
    assert [each.name for each in path.parent.glob("calibration*")] == ["calibration.json"]


def test_what_others_keep_in_the_file_stays(tmp_path: Path) -> None:
    path = calibrations.place(StateDir(tmp_path))
    path.write_text('{"fits": [{"model": "chat"}]}')
    calibrations.keep(StateDir(tmp_path), GPU)
    assert json.loads(path.read_text())["fits"] == [{"model": "chat"}]
    assert calibrations.kept(StateDir(tmp_path)) == (GPU,)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"devices": [{"device": 3}]}'])
def test_a_file_that_is_none_says_so(text: str, tmp_path: Path) -> None:
    calibrations.place(StateDir(tmp_path)).write_text(text)
    with pytest.raises(UsageError, match=r"is no calibration: .*; delete it, and measure again"):
        calibrations.kept(StateDir(tmp_path))
