"""`headway doctor --measure`, with a Python that plays PyTorch on an H100, and without any GPU."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Terminal
from tests.support.running import Headway

RESULTS: list[dict[str, Any]] = [
    {"what": "device", "torch": "2.9.1", "name": "NVIDIA H100 80GB HBM3", "memory": 85_017_755_648},
    {"what": "copy", "bytes_per_second": 3.0e12},
    {"what": "product", "dtype": "bf16", "size": 8192, "flops": 7.0e14},
    {"what": "product", "dtype": "fp8", "size": 8192, "left_out": "not compiled"},
    {"what": "prefill", "tokens": 2048, "seconds": 0.02},
    {"what": "decode", "sequences": 16, "context": 1024, "seconds": 0.002, "graph": True},
    {"what": "decode", "sequences": 64, "context": 1024, "left_out": "out of memory"},
]


@pytest.fixture
def torch_of(tmp_path: Path, headway: Headway) -> Any:
    def plays(results: list[dict[str, Any]]) -> None:
        path = tmp_path / "python-with-torch"
        lines = "".join(f"print({json.dumps(each)!r}, flush=True)\n" for each in results)
        path.write_text(f"#!{sys.executable}\n{lines}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        headway.env["HEADWAY_TORCH_PYTHON"] = str(path)

    return plays


def test_a_gpu_is_told_beside_the_catalogue_and_the_prediction(headway: Headway, torch_of: Any) -> None:
    torch_of(RESULTS)
    done = headway.run("doctor", "--measure", "--device", "cuda", "--keep")
    assert done.returncode == 0, done.stderr
    for said in (
        "NVIDIA H100 80GB HBM3 by torch 2.9.1; H100-SXM of the catalogue",
        "3000.0 GB/s, 90% of the 3,350 stated",
        "700.00 TFLOP/s, 71% of the 989 stated",
        "not measured: not compiled",
        "8 layers like those of meta-llama/Llama-3.1-8B",
        "prompt of 2048 tokens",
        "16 decode after 1024",
        "64 decode after 1024 not measured: out of memory",
        "kept in ",
    ):
        assert said in done.stdout
    kept = json.loads(Path(done.stdout.rpartition("kept in ")[2].partition(";")[0]).read_text())["devices"]
    assert (kept[0]["accelerator"], kept[0]["bandwidth"], kept[0]["engine"]) == ("H100-SXM", 3.0e12, "torch")
    assert all(point["predicted"] > 0 for point in kept[0]["points"])


@pytest.mark.parametrize(("answer", "said"), [("y", "kept in "), ("", "not kept; to keep it for plans")])
def test_on_a_terminal_it_is_offered(headway: Headway, torch_of: Any, answer: str, said: str) -> None:
    torch_of(RESULTS[:2])
    terminal = Terminal(headway.command("doctor", "--measure", "--device", "cuda"), headway.env)
    try:
        terminal.until("Keep this as the machine's calibration, which plans then start from? [y/N] ")
        terminal.type(f"{answer}\n")
        terminal.until(said)
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert (headway.state / "calibration.json").exists() == (answer == "y")


def test_a_device_that_is_not_in_the_catalogue_has_no_prediction(headway: Headway, torch_of: Any) -> None:
    torch_of([RESULTS[0] | {"name": "Abacus 9000"}, *RESULTS[1:]])
    done = headway.run("doctor", "--measure", "--device", "cuda", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["device"], told["accelerator"], told["flops"]) == ("Abacus 9000", "", {"bf16": 7.0e14})
    assert [each["predicted"] for each in told["points"]] == [0, 0]


def test_a_slice_is_measured_against_its_share(headway: Headway, torch_of: Any) -> None:
    torch_of([RESULTS[0] | {"name": "NVIDIA H100 80GB HBM3 MIG 3g.40gb"}, {"what": "copy", "bytes_per_second": 1.5e12}])
    done = headway.run("doctor", "--measure", "--device", "cuda")
    assert done.returncode == 0, done.stderr
    assert "H100-SXM/3g.40gb of the catalogue" in done.stdout
    assert "1500.0 GB/s, 90% of the 1,675 stated" in done.stdout


def test_a_gpu_that_torch_does_not_see_is_one_error(headway: Headway) -> None:
    headway.env["HEADWAY_TORCH_PYTHON"] = sys.executable
    done = headway.run("doctor", "--measure", "--device", "cuda:99")
    assert done.returncode == 1
    assert done.stderr.startswith("error: PyTorch failed on cuda:99: ")
    assert done.stderr.count("\n") == 1


def test_where_no_gpu_is_the_processor_is_measured(headway: Headway, tmp_path: Path) -> None:
    headway.env["HEADWAY_CACHE_DIR"] = str(tmp_path / "cache")  # no model here: a real one is test_cores_check's
    done = headway.run("doctor", "--measure", "--device", "cores")
    assert done.returncode == 0, done.stderr
    assert "GB/s on " in done.stdout
    assert "GFLOP/s of 32-bit floats" in done.stdout
    assert "no step is measured: llama-server or the model is not here yet" in done.stdout
    assert "not kept; to keep it for plans: headway doctor --measure --keep" in done.stdout


def test_options_that_belong_together(headway: Headway) -> None:
    done = headway.run("doctor", "--keep")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --keep and --device belong to --measure; headway doctor --measure\n"
