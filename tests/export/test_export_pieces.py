"""Cluster-level pieces: their numbers follow from the file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headway.cli.export_file import Asked, exported
from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.sites.kubernetes.export.load import _OF as LOADS
from headway.sites.kubernetes.export.pieces.mig import layouts
from headway.sites.kubernetes.export.pieces.monitors import rules

Manifest = dict[str, Any]
DATA = Path(__file__).parents[2] / "headway/sites/kubernetes/export/data"
ENGINES = Path(__file__).parents[2] / "headway/engines"
H100 = accelerator("H100-SXM")
PROFILES = [each.profile for each in H100.slices]


def pieces(folder: Path, text: str, *names: str) -> list[Manifest]:
    file = folder / "file.yaml"
    file.write_text(text)
    return [each.manifest for each in exported(Asked(str(file), "kubernetes", names, "local", "ml")).objects]


@given(st.dictionaries(st.sampled_from(PROFILES), st.integers(1, 20), min_size=1))
def test_a_layout_gives_all_slices_and_cuts_no_gpu_into_more_than_it_has(wanted: dict[str, int]) -> None:
    known = {each.profile: each for each in H100.slices}
    given_: Counter[str] = Counter()
    for layout, gpus in layouts(wanted, H100):
        assert sum(known[profile].compute * count for profile, count in layout.items()) <= 1 + 1e-9
        assert sum(known[profile].memory * count for profile, count in layout.items()) <= 1 + 1e-9
        given_.update({profile: count * gpus for profile, count in layout.items()})
    assert all(given_[profile] >= count for profile, count in wanted.items())


def test_seven_small_slices_are_one_gpu_and_what_is_left_is_cut_too() -> None:
    assert layouts({"1g.10gb": 7}, H100) == [({"1g.10gb": 7}, 1)]
    assert layouts({"3g.40gb": 1, "1g.10gb": 2}, H100) == [({"3g.40gb": 1, "1g.10gb": 4}, 1)]
    with pytest.raises(UsageError, match=r"has no slice 9g.90gb; it has 1g.10gb"):
        layouts({"9g.90gb": 1}, H100)


def test_a_gpu_is_shared_in_as_many_parts_as_the_smallest_share_asks(tmp_path: Path) -> None:
    models = "---\n".join(
        f"kind: Model\nname: m{number}\nsource: hf://Qwen/Qwen2.5-0.5B-Instruct\ngpu: {share}\n"
        for number, share in enumerate((0.5, 0.3))
    )
    data = pieces(tmp_path, models, "time-slicing")[0]["data"]
    config = yaml.safe_load(data["shared-4"])
    assert config["sharing"]["timeSlicing"]["resources"] == [{"name": "nvidia.com/gpu", "replicas": 4}]
    assert yaml.safe_load(data["whole"]) == {"version": "v1"}


def test_the_autoscaler_reads_whole_numbers_and_takes_the_cheapest_group_first(tmp_path: Path) -> None:
    text = (
        "kind: Model\nname: chat\nsource: hf://Qwen/Qwen2.5-7B-Instruct\n"
        "variants: [{name: a, gpu: H100}, {name: b, gpu: L40S}, {name: c, gpu: L4, cost: {spot: prefer}}]\n"
    )
    data = pieces(tmp_path, text, "priority-expander")[0]["data"]["priorities"]
    ranks: dict[int, list[str]] = yaml.safe_load(data)
    assert all(isinstance(each, int) for each in ranks)

    def rank(group: str) -> int:
        return max(each for each, patterns in ranks.items() if any(re.search(pattern, group) for pattern in patterns))

    groups = ["gpu-l4-spot", "spot-L4-a", "gpu-l4", "gpu-l40s", "h100-pool", "cpu"]
    ranked = [rank(group) for group in groups]
    assert ranked == sorted(ranked, reverse=True)
    assert rank("gpu-l4-spot") == rank("spot-L4-a") > rank("gpu-l4") > rank("gpu-l40s") > rank("cpu") == 1


def test_priority_classes_are_made_once_and_in_the_files_order(tmp_path: Path) -> None:
    text = "---\n".join(
        f"kind: Model\nname: m{number}\nsource: hf://Qwen/Qwen2.5-7B-Instruct\ngpu: L4\npriority: {name}\n"
        for number, name in enumerate(("urgent", "usual", "urgent", "system-cluster-critical"))
    )
    found = {each["metadata"]["name"]: each["value"] for each in pieces(tmp_path, text, "priority-classes")}
    assert list(found) == ["urgent", "usual"]
    assert found["urgent"] > found["usual"] > 0


def test_all_leaves_out_what_the_file_has_no_use_for(tmp_path: Path) -> None:
    text = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
    kinds = {each["kind"] for each in pieces(tmp_path, text, "all")}
    assert {"ServiceMonitor", "NetworkPolicy", "Ingress"} <= kinds
    assert not {"PriorityClass", "ResourceQuota"} & kinds


@pytest.mark.parametrize("file", ["alerts.yaml", "engines.yaml", "gpus.yaml"])
def test_rules_are_rules(file: str) -> None:
    """promtool, where there is one, has the last word."""
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "rules", DATA / file], check=True)
    found = [rule for group in rules(file)["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in found if "record" in rule}
    for rule in found:
        assert set(re.findall(r"\bheadway:[\w:]+", rule["expr"])) <= recorded
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "action"}


def test_the_dashboard_and_the_rules_look_at_what_engines_say() -> None:
    """vLLM's names as the mock engine has them, which a test holds against a real vLLM; SGLang's and llama.cpp's as
    `signals` reads them."""
    text = (DATA / "engines.json").read_text() + (DATA / "engines.yaml").read_text()
    signals = (ENGINES / "signals.py").read_text()
    mock = (ENGINES / "mock_metrics.py").read_text()
    for name in set(re.findall(r"\bvllm:(\w+)", text)):
        assert f'"{name}"' in mock or f'"{name.removesuffix("_bucket")}"' in mock, name
    for name in set(re.findall(r"\b(?:sglang|llamacpp):\w+", text)):
        assert f'"{name}"' in signals, name
    panels = [each for each in json.loads((DATA / "engines.json").read_text())["panels"] if each["type"] != "row"]
    assert len({(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels}) == len(panels)


def test_what_scalers_ask_of_engines_is_what_signals_reads() -> None:
    signals = (ENGINES / "signals.py").read_text()
    for load in LOADS.values():
        assert all(f'"{name}"' in signals for name in load.total)
