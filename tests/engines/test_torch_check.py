"""Measuring by PyTorch: the child process and its faults with a Python that only plays one, and where some Python has
torch, the probe itself on its CPU device: the code that a GPU runs."""

from __future__ import annotations

import importlib.util
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.engines import torch_check, torch_probe
from headway.errors import EngineError

SHAPE = {"layers": 2, "hidden": 64, "heads": 4, "kv_heads": 2, "head_dim": 16, "ffn": 128, "vocabulary": 256}
SMALL = torch_check.Plan(
    SHAPE, device="cpu", copy_bytes=1 << 20, product=64, dtypes=("bf16", "fp8", "f32"), prefills=(8,), decodes=((2, 8),)
)


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_results_come_one_by_one(tmp_path: Path) -> None:
    body = 'import sys\nprint("noise")\nprint(\'{"what": "copy", "asked": \' + sys.argv[2] + "}")\n'
    seen: list[dict[str, Any]] = []
    torch_check.run(SMALL, seen.append, python=program(tmp_path / "python", body))
    assert seen[0]["what"] == "copy"
    assert seen[0]["asked"]["shape"] == SHAPE
    assert seen[0]["asked"]["decodes"] == [[2, 8]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit('no kernel image is available')", "PyTorch failed on cpu: no kernel image is available"),
        ("import os; os._exit(3)", "PyTorch failed on cpu: no word"),
    ],
)
def test_a_probe_that_fails_is_one_error(body: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=said):
        torch_check.run(SMALL, lambda _: None, python=program(tmp_path / "python", body))


def test_a_probe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_check, "DEADLINE", 0.5)
    with pytest.raises(EngineError, match="did not measure cpu within"):
        torch_check.run(SMALL, lambda _: None, python=program(tmp_path / "python", "import time; time.sleep(600)"))


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(torch_check.SETTING, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"needs PyTorch, which no Python here has; pip install torch"):
        torch_check.find()
    monkeypatch.setenv(torch_check.SETTING, str(tmp_path / "none"))
    with pytest.raises(EngineError, match="no such program"):
        torch_check.find()
    chosen = program(tmp_path / "python", "")
    monkeypatch.setenv(torch_check.SETTING, str(chosen))
    assert torch_check.find() == chosen


def test_the_python_beside_vllm_has_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(torch_check.SETTING, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("HEADWAY_VLLM", str(program(tmp_path / "vllm", "")))
    beside = program(tmp_path / "python", "")
    assert torch_check.find() == beside


@pytest.fixture(scope="module")
def with_torch() -> Path:
    try:
        return torch_check.find()
    except EngineError as error:
        pytest.skip(str(error))


def test_the_probe_measures_on_any_device(with_torch: Path) -> None:
    seen: list[dict[str, Any]] = []
    torch_check.run(SMALL, seen.append, python=with_torch)
    assert [each["what"] for each in seen] == ["device", "copy", "product", "product", "product", "prefill", "decode"]
    assert seen[1]["bytes_per_second"] > 0
    assert seen[2]["flops"] > 0
    assert "GPUs alone" in seen[3]["left_out"]
    assert min(each["seconds"] for each in seen[5:]) > 0
    json.dumps(seen)


def test_a_decode_step_is_the_last_row_of_a_prompt() -> None:
    torch = pytest.importorskip("torch", reason="our own Python has no torch")
    torch.manual_seed(1)
    stack = torch_probe.Stack(torch, torch.device("cpu"), {"shape": SHAPE})
    stack.dtype, layer = torch.float32, {key: each.float() for key, each in stack.layers[0].items()}
    stack.scale = stack.scale.float()
    values = torch.randn(1, 6, SHAPE["hidden"])
    _, keys, stored = stack.split(layer, values)
    cache = (keys.clone(), stored.clone())
    cache[0][:, :, -1], cache[1][:, :, -1] = 0, 0  # what the step itself must put there
    found = stack.one_more(layer, values[:, -1:], cache)
    assert torch.allclose(found[:, 0], stack.whole(layer, values)[:, -1], atol=1e-5)
