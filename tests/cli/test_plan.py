"""`headway plan`: what it prints, writes and refuses, as a user calls it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from headway.cli.main import main
from headway.cli.plan_json import PlansJson
from headway.cli.plan_local import offers_of
from headway.errors import ResourceError
from headway.paths import StateDir
from headway.sites.base import Accelerator, Inventory
from headway.spec.load import load
from headway.spec.model import Model, Slo

EXAMPLES = Path(__file__).parents[2] / "examples" / "plan"
LLAMA = "kind: Model\nname: chat\nsource: hf://meta-llama/Llama-3.1-70B-Instruct\nslo: {ttft: 1s, itl: 60ms}\n"
SMALL = "---\nkind: Model\nname: small\nsource: hf://meta-llama/Llama-3.2-3B-Instruct\n"
LOAD = "---\nkind: Workload\nname: day\narrivals: {rate: 5/s}\nprompt: 1000\noutput: 200\n"
SITE = """\
---
kind: Site
name: dc
inventory:
- {gpu: H100-SXM, count: 16, price: 2.5/h}
- {gpu: L4, count: 8, price: 0.4/h}
"""


class Plan:
    """A file in a folder, and the command called on it in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self._patch = folder, capsys, patch
        patch.chdir(folder)
        patch.setenv("HEADWAY_STATE_DIR", str(folder / "state"))

    def file(self, text: str, name: str = "f.yaml") -> None:
        (self.folder / name).write_text(text)

    def __call__(self, *args: str) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["headway", "plan", *args])
        code = 0
        try:
            main()
        except SystemExit as done:
            code = int(done.code or 0)
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *args: str) -> PlansJson:
        code, out, err = self(*args, "--json")
        assert (code, err) == (0, ""), out + err
        return msgspec.json.decode(out, type=PlansJson, strict=True)


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Plan:
    return Plan(tmp_path, capsys, monkeypatch)


def test_a_plan_reads_from_the_answer_down(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE)
    code, out, err = plan("f.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "chat: meta-llama/Llama-3.1-70B-Instruct on Site dc: 16 H100-SXM, 8 L4"
    assert (
        lines[1] == "asked     5.0/s at the peak (day); prompts of 1,000 tokens (p95 1,000); answers of 200 (p95 200)"
    )
    assert lines[2] == "limits    TTFT p95 1.00 s; ITL p95 60 ms; head-room 20 %"
    assert next(line for line in lines if line.startswith(" 1  ")).endswith("the cheapest that keeps the limits")
    for label in ("pick", "each", "memory", "starts", "engine", "from", "not"):
        assert any(line.startswith(f"{label:<10}") for line in lines), label
    assert "price: Site dc" in out
    assert max(len(line) for line in lines if not line.startswith((" ", "1"))) <= 120


def test_without_a_site_everything_that_is_rented_is_looked_at(plan: Plan) -> None:
    plan.file(LLAMA)
    code, out, _ = plan("f.yaml", "--top", "3")
    assert code == 0
    assert "on any GPU of the catalogue, at list prices" in out
    assert "(chat); prompts of" in out
    assert "price: list price, " in out
    assert "\n 3  " in out
    assert "\n 4  " not in out


def test_json_has_every_figure_with_its_band(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE)
    (found,) = plan.json("f.yaml").plans
    first = found.choices[0]
    assert (found.model, found.site, found.currency, found.kept) == ("chat", "dc", "USD", True)
    assert found.limits == {"ttft": 1.0, "itl": 0.06}
    assert first.per_hour == min(each.per_hour for each in found.choices)
    for band in (first.felt.ttft_p50, first.felt.ttft_p95, first.felt.itl_p95, first.felt.tpot):
        assert band.low is not None
        assert band.value is not None
        assert band.high is not None
        assert 0 < band.low <= band.value <= band.high
    memory = first.memory
    assert memory.total == pytest.approx(memory.weights + memory.kv + memory.engine + memory.left)
    assert first.per_million_tokens == pytest.approx(first.per_hour / (5 * 1200 * 3600) * 1e6)
    assert {each.gpu for each in found.refused} == {"L4"}
    assert found.spec is not None
    assert found.spec["replicas"] == first.replicas.all


def test_what_is_written_is_planned_as_it_stands(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE)
    before = plan.json("f.yaml", "-o", "chosen.yaml").plans[0]
    text = (plan.folder / "chosen.yaml").read_text()
    (model,) = load(text, "chosen.yaml", "/")
    assert isinstance(model, Model)
    assert model.args["tensor-parallel-size"] == before.choices[0].tensor
    plan.file(text + LOAD + SITE, "again.yaml")
    after = plan.json("again.yaml").plans[0]
    assert len(after.choices) == 1
    assert after.choices[0].felt.ttft_p95.value == pytest.approx(before.choices[0].felt.ttft_p95.value)
    assert after.choices[0].per_hour == before.choices[0].per_hour
    assert after.choices[0].args == before.choices[0].args
    assert after.spec == before.spec


def test_limits_that_were_asked_for_are_written_too(plan: Plan) -> None:
    """So that who runs or simulates what was written is held to them."""
    plan.file(LLAMA + LOAD + SITE)
    plan.json("f.yaml", "--slo", "itl=80ms", "-o", "chosen.yaml")
    (model,) = load((plan.folder / "chosen.yaml").read_text(), "chosen.yaml", "/")
    assert isinstance(model, Model)
    assert model.slo == Slo(ttft=1.0, itl=0.08)


def test_one_replica_more(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE)
    plain, careful = plan.json("f.yaml").plans[0], plan.json("f.yaml", "--n-plus-1").plans[0]
    assert careful.choices[0].replicas.spare == 1
    assert careful.choices[0].per_hour > plain.choices[0].per_hour


def test_nothing_that_may_be_taken_away(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE.replace("price: 2.5/h}", "price: 2.5/h, spot: {price: 1/h, preemptions: 0.1/h}}"))
    usual = plan.json("f.yaml").plans[0]
    assert usual.choices[0].spot
    assert not any(each.spot for each in plan.json("f.yaml", "--no-spot").plans[0].choices)


def test_the_second_model_has_what_the_first_left(plan: Plan) -> None:
    few = SITE.replace("count: 16", "count: 4")
    plan.file(LLAMA + SMALL + LOAD + few)
    first, second = plan.json("f.yaml").plans
    h100 = sum(each.choices[0].gpus for each in (first, second) if each.choices[0].gpu == "H100-SXM")
    assert h100 <= 4
    (alone,) = plan.json("f.yaml", "--model", "small").plans
    assert alone.choices[0].per_hour <= second.choices[0].per_hour


def test_what_cannot_be_is_an_answer(plan: Plan) -> None:
    plan.file((EXAMPLES / "cannot.yaml").read_text())
    code, out, err = plan("f.yaml")
    assert (code, err) == (1, "")
    assert "SLO cannot be met: at 8,000 tokens of prompt the prefill alone takes " in out.replace("\n          ", " ")
    assert "\nwould     " in out
    (found,) = msgspec.json.decode(plan("f.yaml", "--json")[1], type=PlansJson).plans
    assert not found.kept
    assert found.spec is None
    assert found.would
    for way in found.would:
        assert (way.choice.felt.ttft_p95.value or 1) <= way.limits["ttft"]


def test_an_absurd_limit_is_an_answer(plan: Plan) -> None:
    plan.file(LLAMA + LOAD + SITE)
    code, out, err = plan("f.yaml", "--slo", "ttft=1ms,itl=1ms")
    assert (code, err) == (1, "")
    assert "cannot" in out
    assert "the limit is 1.0 ms" in " ".join(out.split())


def test_fixed_replicas_that_are_too_few(plan: Plan) -> None:
    fixed = "gpu: H100-SXM:4\nreplicas: 1\n"
    plan.file(LLAMA + fixed + LOAD.replace("5/s", "80/s") + SITE)
    code, out, _ = plan("f.yaml")
    assert code == 1
    assert "the limits cannot be kept by what the file fixes: " in out
    assert "1 replica of H100-SXM TP4" in out


def test_four_bits_are_named_and_not_picked(plan: Plan) -> None:
    plan.file("kind: Model\nname: q\nsource: hf://Qwen/Qwen3-32B\n" + LOAD + SITE.replace("H100-SXM", "B200-SXM"))
    usual = plan.json("f.yaml").plans[0]
    assert {each.quality for each in usual.choices} <= {"published", "8bit"}
    assert {each.quality for each in usual.others} == {"4bit"}
    allowed = plan.json("f.yaml", "--quality", "4bit").plans[0]
    assert any(each.quality == "4bit" for each in allowed.choices)


def test_a_trace_is_planned_for_its_peak(plan: Plan) -> None:
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
    lines += [f"2024-05-10 00:{at // 60:02d}:{at % 60:02d}.0000000,500,50" for at in range(0, 600, 5)]
    lines += [f"2024-05-10 00:10:{at:02d}.0000000,500,50" for at in range(60)]
    plan.file("\n".join(lines), "t.csv")
    plan.file(LLAMA + SITE)
    found = plan.json("f.yaml", "--trace", "t.csv", "--window", "30s").plans[0]
    assert found.demand.peak == pytest.approx(1.0, rel=0.1)
    assert found.demand.mean == pytest.approx(180 / 659, rel=0.01)
    assert found.demand.window == 30


REFUSED = [
    (
        "kind: Model\nname: m\nsource: hf://Qwen/Qwen3-32\n",
        [],
        2,
        "error: no model 'Qwen/Qwen3-32' is known; did you mean ",
    ),
    ("kind: Model\nname: m\nsource: openai://gpt-4\n", [], 1, "error: m: openai://gpt-4 takes no GPU; "),
    ("kind: Model\nname: m\nsource: builtin://all-minilm-l6-v2\n", [], 1, "error: m is an embedder; "),
    (LLAMA + SITE.replace("L4", "L5"), [], 2, "error: f.yaml:7: inventory.1.gpu: no accelerator 'L5' is known; "),
    (LLAMA + SITE.replace("16", "0").replace("8", "0"), [], 2, "error: f.yaml:7: dc has no GPU; write a count above 0"),
    (LLAMA + LOAD.replace("5/s", "0/s"), [], 2, "error: f.yaml:8:18: arrivals.rate: the rate is 0 all the time; "),
    (LLAMA, ["--rate", "0/s"], 2, "error: --rate: the rate is 0 all the time; write a rate like 20/s"),
    (LLAMA, ["--workload", "embed"], 2, "error: embed asks for embeddings; "),
    (LLAMA, ["--workload", "chatt"], 2, "error: --workload: no preset 'chatt'; did you mean chat?"),
    (LLAMA + SITE, ["--on", "dx"], 2, "error: --on: no Site 'dx'; "),
    (LLAMA, ["--on", "no.yaml"], 2, "error: no.yaml: cannot be read: No such file or directory; check the path"),
    (LLAMA, ["--on", "f.yaml"], 2, "error: f.yaml: holds no Site; write one kind: Site in it"),
    (SITE.removeprefix("---\n"), [], 2, "error: f.yaml: holds no Model; write kind: Model"),
    (LLAMA, ["--model", "chit"], 2, "error: --model: f.yaml has no Model 'chit'; did you mean chat?"),
    (LLAMA, ["--quality", "fp2"], 2, "error: --quality: found 'fp2'; write one of published, 8bit, 4bit"),
    (LLAMA, ["--headroom", "lots"], 2, "error: --headroom: found 'lots'; write a share, like 20% or 0.2"),
    (LLAMA, ["--slo", "ttft=1"], 2, "error: --slo ttft: found '1', which has no unit; "),
    (LLAMA, ["--trace", "no.csv"], 2, "error: "),
    (LLAMA, ["--window", "0s"], 2, "error: --window: found '0s'; write a time, like 60s"),
    (LLAMA + "gpu: H1000\n", [], 2, "error: no accelerator 'H1000' is known; "),
    (LLAMA + "args: {tensor-parallel-size: two}\n", [], 2, "error: f.yaml:2: args.tensor-parallel-size: found 'two'; "),
    (LLAMA + "variants: [{name: a, gpu: L4}]\n", [], 2, "error: f.yaml:2: variants: a plan chooses one way to serve "),
    (LLAMA + LOAD + LOAD.replace("day", "night"), [], 2, "error: chat has several Workloads: day, night; "),
    (LLAMA, ["--config", "no.json"], 1, "error: no.json: No such file or directory; "),
]


@pytest.mark.parametrize(("text", "args", "status", "told"), REFUSED, ids=[told[:50] for *_, told in REFUSED])
def test_what_is_wrong_is_one_line(plan: Plan, text: str, args: list[str], status: int, told: str) -> None:
    plan.file(text)
    code, out, err = plan("f.yaml", *args)
    assert err.replace(f"{plan.folder}/", "").startswith(told)
    assert len(err.splitlines()) == 1
    assert (code, out) == (status, "")


def test_an_empty_trace_is_one_line(plan: Plan) -> None:
    plan.file(LLAMA)
    plan.file("TIMESTAMP,ContextTokens,GeneratedTokens\n", "t.csv")
    code, _, err = plan("f.yaml", "--trace", "t.csv")
    assert code == 2
    assert err == "error: t has no request; give a longer time of it, or another one\n"


def test_a_model_of_which_only_the_config_is_known(plan: Plan) -> None:
    shape = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
        "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
    }  # fmt: skip
    plan.file(json.dumps(shape), "config.json")
    plan.file("kind: Model\nname: own\nsource: hf://nobody/knows-it\n" + SITE)
    found = plan.json("f.yaml", "--config", "config.json").plans[0]
    assert found.kept
    assert found.choices[0].memory.weights < 17e9


def test_this_machines_gpus(tmp_path: Path) -> None:
    one = Accelerator("0", "NVIDIA H100 80GB HBM3", 80 << 30, 80 << 30)
    offers, told = offers_of(Inventory(8, 1 << 34, 1 << 33, (one, one)), "vllm", StateDir(tmp_path))
    assert told == "this machine: 2 NVIDIA H100 80GB HBM3"
    assert [(each.name, each.count, each.per_node, each.price) for each in offers] == [("H100-SXM", 2, 2, 0.0)]
    with pytest.raises(ResourceError, match="this machine has no GPU; leave --on out to see what could be rented"):
        offers_of(Inventory(8, 1 << 34, 1 << 33), "vllm", StateDir(tmp_path))


def test_this_machines_cores(tmp_path: Path) -> None:
    (offer,), told = offers_of(Inventory(4, 1 << 34, 8_000_000_000), "llamacpp", StateDir(tmp_path))
    assert told == "this machine: 4 cores, 8.0 GB of memory free"
    assert (offer.name, offer.accelerator.memory, offer.room(1)) == ("4 cores", 8_000_000_000, 1)


def test_the_examples_are_planned(plan: Plan) -> None:
    asked = ["--on", str(EXAMPLES / "site.yaml"), "--rate", "10/s", "--slo", "ttft=2s,itl=100ms"]
    code, out, err = plan(str(EXAMPLES / "models.yaml"), *asked, "--json")
    assert (code in (0, 1), err) == (True, "")
    plans = msgspec.json.decode(out, type=PlansJson).plans
    assert [each.model for each in plans] == ["llama-70b", "qwen3-32b", "gpt-oss-120b", "deepseek-v3", "llama-3b"]
    for each in plans:
        assert each.choices or each.would or each.refused
