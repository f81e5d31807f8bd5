"""The parts of a plan: what is asked, what can be had, how it may be split, who is taken away, what is felt."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator, accelerators
from headway.perf.catalog.models import architecture, architectures
from headway.perf.plan.asked import asked_of
from headway.perf.plan.checkpoint import Checkpoint, checkpoints, form_of
from headway.perf.plan.cold_start import cold_start
from headway.perf.plan.demand import Lengths, of_recorded, of_workload
from headway.perf.plan.goal import Goal, as_played, felt
from headway.perf.plan.layout import layouts, unsuited
from headway.perf.plan.offer import Offer, of_catalogue, of_site
from headway.perf.plan.played import play
from headway.perf.plan.spot import away, with_spares
from headway.perf.plan.told import seconds
from headway.perf.prediction import Band, Prediction
from headway.perf.traffic.schedule import traffic
from headway.perf.traffic.trace import Call
from headway.policy.gpu_choice import Device, matching
from headway.spec.check import workload_from_json
from headway.spec.fault import Fault
from headway.spec.gpu import GpuWish
from headway.spec.model import Model, Slo
from headway.spec.presets import preset
from headway.spec.workload import Objectives, Workload
from tests.support.batching import Affine, small
from tests.support.plan import LLAMA, offers, site
from tests.support.traces import Recorded


def workload(**fields: object) -> Workload:
    return workload_from_json({"kind": "Workload", "name": "w", "prompt": 100, "output": 50} | fields)


def recorded(*calls: Call) -> Workload:
    return workload_from_json({"kind": "Workload", "name": "w", "trace": {"file": "/t.csv"}})


def test_a_workload_is_planned_for_its_highest_rate() -> None:
    stages = [{"rate": "2..20/s", "for": "1m"}, {"rate": "10/s", "for": "3m"}]
    found = of_workload(workload(arrivals={"stages": stages}))
    assert (found.peak, found.closed) == (20.0, False)
    assert found.mean == pytest.approx((11 * 60 + 10 * 180) / 240)
    assert (found.lengths.prompt, found.lengths.output, found.lengths.longest) == (100, 50, 150)


def test_callers_that_wait_are_a_load_of_their_own() -> None:
    found = of_workload(workload(arrivals={"concurrency": 32}))
    assert (found.peak, found.mean, found.closed) == (32, 32, True)


def test_of_a_mix_only_the_models_part_counts() -> None:
    mix = [{"weight": 1, "model": "small", "prompt": 10}, {"weight": 3, "model": "big", "prompt": 1000}]
    both = workload(arrivals={"rate": "8/s"}, mix=mix)
    assert of_workload(both, "big").lengths.prompt == 1000
    assert of_workload(both, "big").peak == pytest.approx(6, rel=0.05)
    assert of_workload(both, "another").peak == 8


def test_shared_beginnings_and_earlier_turns_are_found_again() -> None:
    shared = of_workload(workload(arrivals={"rate": "1/s"}, prefix={"tokens": 300}))
    assert (shared.lengths.prompt, round(shared.lengths.cached)) == (400, 300)
    assert of_workload(preset("chat")).lengths.cached > 1000
    assert of_workload(preset("code")).lengths.cached == 0


def test_a_trace_is_planned_for_its_fullest_minute() -> None:
    calls = [Call(float(at), 100, 10) for at in range(0, 600, 10)] + [Call(300 + at / 2, 200, 20) for at in range(60)]
    calls.sort(key=lambda each: each.at)
    found = of_recorded("t", traffic(recorded(), Recorded(*calls)), 30)
    assert found.peak == pytest.approx((60 + 3) / 30)
    assert found.mean == pytest.approx(120 / 590)
    assert found.window == 30
    assert found.lengths.prompt == pytest.approx(150)


def test_nothing_to_plan_for_is_one_line() -> None:
    with pytest.raises(UsageError, match="w has no request; give a longer time of it, or another one"):
        of_recorded("w", traffic(recorded(), Recorded()))
    with pytest.raises(UsageError, match="embed asks for embeddings; a plan reckons with models that write answers"):
        of_workload(preset("embed"))


def test_a_slice_costs_the_larger_of_its_shares() -> None:
    by_name = {each.name: each for each in offers() if each.count == 4}
    assert by_name["H100-SXM/3g.40gb"].price == pytest.approx(2.5 / 2)
    assert by_name["H100-SXM/1g.10gb"].price == pytest.approx(2.5 / 7)
    assert by_name["H100-SXM/4g.40gb"].price == pytest.approx(2.5 * 4 / 7)
    assert (by_name["H100-SXM/3g.40gb"].room(1), by_name["H100-SXM/3g.40gb"].gpus(3, 1)) == (8, 2)
    assert "H100-SXM/7g.80gb" not in by_name


def test_a_replica_stands_in_one_node() -> None:
    l4 = offers()[0]
    assert [l4.room(each) for each in (1, 2, 4, 8)] == [16, 8, 4, 0]
    ten = replace(l4, count=10)
    assert [ten.room(each) for each in (1, 2, 4)] == [10, 5, 2]
    assert replace(l4, count=None).room(4) == inf


def test_what_is_taken_is_gone_for_slices_of_it_too() -> None:
    taken = [each.without({"3:H100-SXM": 3}) for each in offers()]
    assert {each.count for each in taken if each.pool == "3:H100-SXM"} == {1}
    assert {each.count for each in taken if each.pool == "0:L4"} == {16}


@pytest.mark.parametrize(
    ("stock", "told"),
    [
        ("{gpu: H100X, count: 1}", "no accelerator 'H100X' is known"),
        ("{gpu: H100, count: 1, mig: [3g.50gb]}", "H100-SXM has no MIG profile 3g.50gb"),
        ("{gpu: L4, count: 1, mig: true}", "L4 cannot be cut into slices"),
        ("{gpu: Gaudi-3, count: 1}", "Gaudi-3 has no price, and no list price is known"),
    ],
)
def test_a_product_that_is_not_there_is_told(stock: str, told: str) -> None:
    with pytest.raises(Fault) as found:
        of_site(site(f"kind: Site\nname: s\ninventory: [{stock}]\n"), accelerator)
    assert found.value.message == told
    assert found.value.path[:2] == ("inventory", "0")


def test_the_catalogue_is_offered_at_dated_prices() -> None:
    found = of_catalogue(accelerators().values())
    assert {"H100-SXM", "L4", "B200-SXM"} <= {each.name for each in found}
    assert all(each.price > 0 and each.count is None and each.priced.startswith("list price, ") for each in found)


def splits(name: str, offer: Offer, form: Checkpoint | None = None) -> set[str]:
    return {str(each) for each in layouts(offer, form or form_of(architecture(name)))}


def test_tensor_parallelism_divides_what_there_is() -> None:
    h100, l4 = offers()[2], offers()[0]
    assert splits("meta-llama/Llama-3.1-70B", h100) == {"1", "TP2", "TP4", "TP8"}
    assert splits("Qwen/Qwen2.5-7B", h100) == {"1", "TP2", "TP4", "TP8 PP1"} - {"TP8 PP1"}
    assert splits("meta-llama/Llama-3.1-70B", l4) == {"1", "TP2", "TP4", "PP2", "PP4", "TP2 PP2"}
    cut = next(each for each in offers() if each.is_slice)
    assert splits("meta-llama/Llama-3.1-70B", cut) == {"1"}
    assert {"TP8 EP8", "DP8 EP8", "TP8"} <= splits("deepseek-ai/DeepSeek-V3", h100)
    moe = Checkpoint(architecture("Qwen/Qwen3-30B-A3B"), "fp8_block")
    assert "TP4" not in splits("", h100, moe), "768 / 4 = 192 is no multiple of 128"
    assert "TP4 EP4" in splits("", h100, moe)


@pytest.mark.parametrize(
    ("gpu", "weights", "told"),
    [
        ("T4", "fp8", "fp8 weights need compute capability 8, it has 7.5"),
        ("H100", "nvfp4", "nvfp4 weights need compute capability 10, it has 9"),
        ("MI300X", "bf16", "Headway launches no engine on AMD's accelerators yet"),
        ("A100", "fp8", ""),
        ("H100", "mxfp4", ""),
        ("B200", "nvfp4", ""),
    ],
)
def test_accelerators_suit_weights(gpu: str, weights: str, told: str) -> None:
    offer = Offer(accelerator(gpu), gpu, 1.0, "", 8)
    assert unsuited(offer, Checkpoint(LLAMA, weights), "vllm") == told


def labels(name: str, *, online: bool = True) -> list[tuple[str, str]]:
    known = architectures().values()
    return [(each.label, each.quality) for each in checkpoints(architecture(name), known, online=online, asked=name)]


def test_forms_of_weights() -> None:
    assert labels("Qwen/Qwen3-32B") == [
        ("bf16", "published"), ("fp8 quantised as it loads", "8bit"), ("nvfp4 of nvidia/Qwen3-32B-NVFP4", "4bit")
    ]  # fmt: skip
    assert ("fp8 of Qwen/Qwen3-32B-FP8", "8bit") in labels("Qwen/Qwen3-32B", online=False)
    assert labels("openai/gpt-oss-120b") == [("mxfp4", "published")]
    assert not any("Instruct" in label for label, _ in labels("meta-llama/Llama-3.1-70B", online=False))
    assert any("Instruct" in label for label, _ in labels("meta-llama/Llama-3.1-70B-Instruct", online=False))


@given(st.integers(1, 400), st.floats(0, 0.3))
def test_spares_are_enough_and_no_more_than_one_too_many(needed: int, gone: float) -> None:
    replicas = with_spares(needed, gone)
    assert replicas >= max(needed, 2)
    assert with_spares(needed, 0.0) == max(needed, 2)
    assert replicas <= 2 + needed / (1 - gone) + 6 * (needed * gone) ** 0.5 + needed / 10


def test_a_replica_is_away_for_its_cold_starts() -> None:
    assert away(0.05, 2, 120) == pytest.approx(0.1 / 30 / (1 + 0.1 / 30))
    assert away(0.0, 8, 500) == 0


def test_qwen3_32b_starts_as_was_measured() -> None:
    assert cold_start(65.5e9, "vllm").seconds == pytest.approx(85, abs=1)


LENGTHS = Lengths(1000, 100, 4000, 300, 5000)


def predicted(ttft: float, p95: float, *, saturated: bool = False) -> Prediction:
    def band(value: float) -> Band:
        return Band(value / 2, value, value * 2)

    return Prediction(
        band(ttft), band(ttft), band(p95), band(0.02), band(0.02), band(0.03), band(5), 3, saturated=saturated
    )


def test_long_prompts_are_in_the_95th_percentile() -> None:
    found = felt(predicted(0.1, 0.2), LENGTHS, longer=0.3)
    wait = 0.1 / log(10)
    own = 0.1 - wait * log(2)
    assert found.ttft_p95.value == pytest.approx(own + ((wait * log(20)) ** 2 + 0.3**2) ** 0.5)
    assert found.ttft_p95.high == pytest.approx(2 * found.ttft_p95.value)
    assert felt(predicted(0.1, 0.2), LENGTHS, longer=0.0).ttft_p95.value == pytest.approx(0.2)
    assert found.e2e_p95.value == pytest.approx(0.1 + 0.02 * 299)


def test_uneven_prompts_wait_longer_for_one_another() -> None:
    uneven = felt(predicted(0.1, 0.2), replace(LENGTHS, uneven=4.0), longer=0.0)
    even = felt(predicted(0.1, 0.2), LENGTHS, longer=0.0)
    assert uneven.ttft_p95.value - even.ttft_p95.value == pytest.approx(3 * 0.1 / log(10) * log(20))


def test_a_cache_that_forgets_finds_less() -> None:
    talks = of_workload(preset("chat")).lengths
    found = [talks.reuse.found(kept, 5.0) for kept in (0.0, 1.0, 20.0, 100.0, 1e6)]
    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == pytest.approx(talks.cached)
    assert 500 < talks.reuse.found(1.0, 5.0) < 1000, "the shared system prompt, and few talks"
    assert talks.uneven > 2


def test_a_shared_beginning_is_found_the_sooner_the_more_come() -> None:
    shared = of_workload(workload(arrivals={"rate": "1/s"}, prefix={"tokens": 300, "count": 50})).lengths.reuse
    assert shared.found(1.0, 1.0) < 50
    assert shared.found(1.0, 1000.0) > 250


def test_requests_are_played() -> None:
    requests = list(islice(iter(traffic(workload(arrivals={"rate": "2/s"}, requests=200))), 200))
    found = play(Affine(), small(400, 16, 64, 256), 0.01, requests, 200)
    assert (found.requests, found.passed_over) == (180, 0)
    assert 0.01 < found.ttft_p50 <= found.ttft_p95
    assert 0.01 < found.itl_p50 <= found.itl_p95
    counted = as_played(felt(predicted(0.1, 0.2), LENGTHS, longer=0.0), found)
    assert (counted.ttft_p95.value, counted.itl_p50.value) == (found.ttft_p95, found.itl_p50)
    assert counted.ttft_p95.high == pytest.approx(2 * found.ttft_p95)
    tiny = play(Affine(), small(4, 16), 0.01, requests, 200)
    assert (tiny.requests, tiny.passed_over) == (0, 200)


def test_the_worst_miss_is_told() -> None:
    found = felt(predicted(0.1, 0.2), LENGTHS, longer=0.0)
    assert found.miss(Goal(0.5, 0.05)) is None
    miss = found.miss(Goal(0.1, 0.001))
    assert miss is not None
    assert (miss.figure, miss.value, miss.limit) == ("itl", 0.03, 0.001)
    full = felt(predicted(0.1, 0.2, saturated=True), LENGTHS, longer=0.0).miss(Goal())
    assert full is not None
    assert full.figure == "load"


def test_the_models_limits_come_before_the_workloads() -> None:
    assert Goal.of(Slo(ttft=0.5), Objectives(itl=0.1)) == Goal(ttft=0.5)
    assert Goal.of(None, Objectives(itl=0.1, e2e=3.0)) == Goal(itl=0.1, e2e=3.0)
    assert Goal.of(None, None).limits == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"args": {"tensor-parallel-size": "two"}}, "found 'two'; write a whole number from 1 on"),
        ({"args": {"gpu-memory-utilization": 90}}, "found 90; write a share, like 0.9"),
        ({"args": {"kv-cache-dtype": "fp3"}}, "found 'fp3'; write one of auto, bfloat16, fp8, fp8_e4m3, fp8_e5m2"),
        ({"gpu": 0.5}, "found 0.5; a plan reckons with whole GPUs and MIG slices; leave it out"),
    ],
)
def test_what_the_file_fixes_wrongly_is_told(fields: dict[str, object], told: str) -> None:
    model = Model.model_validate({"name": "m", "source": "hf://a/b"} | fields)
    with pytest.raises(Fault) as found:
        asked_of(model, accelerator)
    assert str(found.value) == told


def test_seconds_are_read_at_a_glance() -> None:
    found = [seconds(each) for each in (1e-6, 0.0042, 0.0461, 0.61, 1.244, 250.0, inf)]
    assert found == ["1 us", "4.2 ms", "46 ms", "610 ms", "1.24 s", "250 s", "never"]


def test_a_planned_gpu_is_found_by_what_the_driver_calls_it() -> None:
    driver = {"H100-SXM": "NVIDIA H100 80GB HBM3", "A100-80-SXM": "NVIDIA A100-SXM4-80GB", "L4": "NVIDIA L4"}
    for name, product in driver.items():
        devices = [Device(each, each, 80 << 30, 80 << 30) for each in (product, "NVIDIA H100 PCIe", "NVIDIA L40S")]
        assert [each.product for each in matching(GpuWish(product=name), devices)] == [product]
