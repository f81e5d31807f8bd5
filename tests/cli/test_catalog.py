"""`headway catalog`, as a person and a program read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.model_configs import CONFIGS
from tests.support.running import Headway


def test_the_tables_name_every_row(headway: Headway) -> None:
    gpus = headway.run("catalog", "gpus")
    assert gpus.returncode == 0, gpus.stderr
    lines = gpus.stdout.splitlines()
    assert lines[0].split()[:4] == ["NAME", "MEMORY", "BANDWIDTH", "BF16"]
    assert next(line.split() for line in lines if line.startswith("H100-SXM"))[1:6] == [
        "80",
        "GiB",
        "3350",
        "GB/s",
        "989",
    ]
    models = headway.run("catalog", "models")
    assert models.returncode == 0, models.stderr
    assert any(line.startswith("deepseek-ai/DeepSeek-V3 ") for line in models.stdout.splitlines())
    assert "--json lists them all" in models.stdout


def test_one_accelerator_is_told_whole(headway: Headway) -> None:
    done = headway.run("catalog", "gpus", "h100")
    assert done.returncode == 0, done.stderr
    for said in (
        "H100-SXM: NVIDIA Hopper, compute capability 9.0",
        "3,350 GB/s",
        "2026-11-09",
        "3g.40gb",
        "data sheet",
    ):
        assert said in done.stdout
    told = json.loads(headway.run("catalog", "gpus", "H100/3g.40gb", "--json").stdout)
    assert (told["cut_from"], told["bandwidth"]) == ("H100-SXM", 1.675e12)
    every = json.loads(headway.run("catalog", "gpus", "--json").stdout)
    assert {"name", "memory", "flops", "prices", "slices", "source"} <= set(every[0])


def test_one_model_is_told_whole(headway: Headway) -> None:
    done = headway.run("catalog", "models", "openai/gpt-oss-120b")
    assert done.returncode == 0, done.stderr
    for said in ("117 B", "window 128 in 18 layers", "mxfp4 65 GB as published", "131,072 tokens", "config.json"):
        assert said in done.stdout
    told = json.loads(headway.run("catalog", "models", "deepseek-r1", "--json").stdout)
    assert told["parameters"] == pytest.approx(671e9, rel=0.01)
    assert told["kv_bytes_per_token"] == 70_272


def test_a_models_own_config_will_do(headway: Headway, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS["Qwen/Qwen3.5-397B-A17B"]))
    done = headway.run("catalog", "models", str(tmp_path / "config.json"))
    assert done.returncode == 0, done.stderr
    assert "396 B, 17.3 B active" in done.stdout


@pytest.mark.parametrize(
    ("what", "name", "said"),
    [
        ("gpus", "H300", "no accelerator 'H300' is known; did you mean"),
        ("gpus", "L4/1g.6gb", "L4 has no slice '1g.6gb'; it cannot be cut by MIG"),
        ("models", "Qwen3-33B", "no model 'Qwen3-33B' is known; did you mean Qwen/Qwen3-32B"),
    ],
)
def test_what_is_not_known_is_one_line(headway: Headway, what: str, name: str, said: str) -> None:
    done = headway.run("catalog", what, name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1
