"""What a file gives: both forms, several documents, defaults, profiles; and that what is written loads again."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from headway.spec.load import load
from headway.spec.model import Model, Profile, Replicas, Slo
from headway.spec.source import SCHEMES

EXAMPLES = Path(__file__).parents[2] / "examples"

FLAT = """
kind: Model
name: chat
source: hf://Qwen/Qwen2.5-7B-Instruct@main
task: chat
engine: vllm
replicas: 0..8
gpu: 24GB..
cpu: 1500m
memory: 1.5GiB
slo: {ttft: 500ms, itl: 50ms}
args: {max-model-len: 16384, enforce-eager: true, lora: [a, b], seed: 1.5, port-range: null}
env: {HF_TOKEN: secret:hf/token, MODE: "1", SSL_KEY: /etc/key.pem}
profiles:
  local: {source: ./m.gguf, gpu: cpu, replicas: 2, memory: 1GB, args: {max-model-len: 512}, env: {MODE: "2"}}
  arn:aws:eks:eu-west-1:1:cluster/big: {replicas: 3}
"""


def one(text: str) -> Model:
    (model,) = load(text, "f.yaml", "/home/u")
    return model


def test_every_field() -> None:
    assert one(FLAT) == Model.model_construct(
        kind="Model",
        name="chat",
        source="hf://Qwen/Qwen2.5-7B-Instruct@main",
        task="chat",
        engine="vllm",
        replicas=Replicas(low=0, high=8),
        gpu="24GB..",
        cpu=1.5,
        memory=3 * 2**29,
        slo=Slo(ttft=0.5, itl=0.05),
        args={"max-model-len": 16384, "enforce-eager": True, "lora": ["a", "b"], "seed": 1.5, "port-range": None},
        env={"HF_TOKEN": "secret:hf/token", "MODE": "1", "SSL_KEY": "/etc/key.pem"},
        profiles={
            "local": Profile(
                source="file:///home/u/m.gguf",
                gpu="cpu",
                replicas=Replicas(low=2, high=2),
                memory=10**9,
                args={"max-model-len": 512},
                env={"MODE": "2"},
            ),
            "arn:aws:eks:eu-west-1:1:cluster/big": Profile(replicas=Replicas(low=3, high=3)),
        },
    )


def test_the_kubernetes_form_is_the_same_model() -> None:
    lines = FLAT.strip().splitlines()[2:]
    written = "apiVersion: headway.dev/v1alpha1\nkind: Model\n"
    written += "metadata: {name: chat, namespace: ml, labels: {team: a}, uid: u, resourceVersion: '7'}\nspec:\n"
    written += "\n".join(f"  {line}" for line in lines) + "\nstatus: {ready: 1}\n"
    assert one(written) == one(FLAT)


def test_left_out_is_left_to_be_derived() -> None:
    model = one("kind: Model\nname: chat\nsource: org/name\ngpu:\nenv:\nargs: ~\nprofiles:\nreplicas: null\n")
    assert model == Model(name="chat", source="hf://org/name")
    assert (model.task, model.engine, model.gpu, model.cpu, model.memory, model.slo) == (None,) * 6
    assert (model.replicas.wanted, model.args, model.env, model.profiles) == (1, {}, {}, {})


@pytest.mark.parametrize(
    ("written", "low", "high", "wanted"),
    [("2", 2, 2, 2), ('"2"', 2, 2, 2), ("0", 0, 0, 0), ("0..8", 0, 8, 1), ("3..8", 3, 8, 3), ("4..4", 4, 4, 4)],
)
def test_replicas(written: str, low: int, high: int, wanted: int) -> None:
    replicas = one(f"kind: Model\nname: a\nsource: org/name\nreplicas: {written}\n").replicas
    assert (replicas.low, replicas.high, replicas.wanted) == (low, high, wanted)


def test_several_documents_in_both_forms_empty_ones_skipped() -> None:
    text = (
        "# a comment\n---\nkind: Model\nname: b\nsource: org/b\n---\n---\n# nothing\n...\n---\n"
        "apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {name: a}\nspec: {source: org/a}\n"
    )
    assert [each.name for each in load(text, "f.yaml", "/")] == ["b", "a"]


def test_json_is_yaml() -> None:
    assert one('{"kind": "Model",\n\t"name": "a", "source": "org/name", "memory": "1GB"}').memory == 10**9


def test_anchors_and_merge_keys() -> None:
    text = """
kind: Model
name: a
source: org/a
args: &small {ctx-size: 512, jinja: true}
profiles:
  local: {args: *small}
  kubernetes: {args: {<<: *small, ctx-size: 4096}}
"""
    model = one(text)
    assert model.profiles["local"].args == {"ctx-size": 512, "jinja": True}
    assert model.profiles["kubernetes"].args == {"ctx-size": 4096, "jinja": True}


def test_a_merge_key_takes_several_mappings_the_first_wins() -> None:
    text = """
kind: Model
name: a
source: org/a
profiles:
  x: {args: &x {a: 1}}
  y: {args: &y {a: 2, b: 2}}
  z: {args: {<<: [*x, *y], c: 3}}
"""
    assert one(text).profiles["z"].args == {"a": 1, "b": 2, "c": 3}


def test_words_are_as_yaml_1_2_has_them() -> None:
    text = "%YAML 1.1\n---\nkind: Model\nname: a\nsource: org/a\n"
    text += (
        "env: {A: yes, B: on, C: 2001-01-01, D: 1_000, on: x}\nargs: {a: 0x10, b: 0o10, c: -1, d: 1e3, e: '1', f: no}\n"
    )
    model = one(text)
    assert model.env == {"A": "yes", "B": "on", "C": "2001-01-01", "D": "1_000", "on": "x"}
    assert model.args == {"a": 16, "b": 8, "c": -1, "d": 1000.0, "e": "1", "f": "no"}


@pytest.mark.parametrize(
    ("site", "kind", "source", "gpu", "args"),
    [
        ("here", "local", "hf://org/a", "cpu", {"a": 1, "b": 3}),
        ("prod", "kubernetes", "hf://org/b", "auto", {"a": 9, "b": 2}),
        ("other", "kubernetes", "hf://org/a", "auto", {"a": 1, "b": 2}),
    ],
)
def test_a_profile_by_site_name_else_by_kind(site: str, kind: str, source: str, gpu: str, args: dict[str, Any]) -> None:
    text = """
kind: Model
name: a
source: org/a
gpu: auto
args: {a: 1, b: 2}
env: {A: x, B: y}
profiles:
  local: {gpu: cpu, args: {b: 3}, env: {B: z}}
  prod: {source: org/b, args: {a: 9}}
"""
    model = one(text)
    here = model.on(site, kind)
    assert (here.source, here.gpu, here.args) == (source, gpu, args)
    assert here.env == {"A": "x", "B": "z" if kind == "local" else "y"}
    assert here.on(site, kind) == here
    assert model.args == {"a": 1, "b": 2}


def test_the_profile_of_a_name_hides_that_of_the_kind() -> None:
    text = "kind: Model\nname: a\nsource: org/a\nprofiles: {local: {cpu: 1}, mine: {memory: 1GB}}\n"
    here = one(text).on("mine", "local")
    assert (here.cpu, here.memory) == (None, 10**9)


def test_code_gives_numbers_in_base_units() -> None:
    model = Model(name="a", source="hf://org/a", memory=10**9, cpu=1.5, slo=Slo(ttft=0.5))
    assert model == one("kind: Model\nname: a\nsource: org/a\nmemory: 1GB\ncpu: 1500m\nslo: {ttft: 500ms}\n")
    assert Model.model_validate(model.model_dump()) == model


def test_json_has_units() -> None:
    dumped = one(FLAT).model_dump(mode="json", exclude_none=True)
    assert (dumped["memory"], dumped["cpu"], dumped["replicas"]) == ("1.5GiB", "1500m", "0..8")
    assert dumped["slo"] == {"ttft": "500ms", "itl": "50ms"}
    assert dumped["profiles"]["local"]["replicas"] == 2


def test_the_examples_load() -> None:
    base = str(EXAMPLES)
    found = {path.name: load(path.read_text(), str(path), base) for path in EXAMPLES.glob("*.yaml")}
    chat = Model(name="chat", source="builtin://smollm2-135m-instruct")
    assert found["chat.yaml"] == [chat]
    assert [(each.name, each.source) for each in found["all.yaml"]] == [
        ("chat", chat.source),
        ("embed", "builtin://all-minilm-l6-v2"),
        ("gemma", "builtin://gemma-3-270m"),
    ]


WORD = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
SCALAR = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORD
ARGS = st.dictionaries(WORD, st.none() | SCALAR | st.lists(SCALAR, max_size=3), max_size=4)
ENV = st.dictionaries(
    WORD.filter(lambda each: each not in ("key", "token", "secret", "password")),
    st.text(st.characters(exclude_categories=["C"]), max_size=5),
    max_size=3,
)
COMMON = {
    "replicas": st.builds(lambda a, b: Replicas(low=min(a, b), high=max(a, b)), *[st.integers(0, 1000)] * 2),
    "gpu": st.none() | st.sampled_from(["auto", "cpu", "2", "0.25", "H100:2", "24GB..", "mig-1g.10gb"]),
    "cpu": st.none() | st.floats(0.001, 4096),
    "memory": st.none() | st.integers(1, 10**15),
    "slo": st.none() | st.builds(Slo, ttft=st.none() | st.floats(1e-6, 1e6), itl=st.none() | st.floats(1e-6, 1e6)),
    "args": ARGS,
    "env": ENV,
}
SOURCE = st.builds(
    lambda scheme, path: f"{scheme}://{path}/{path}" if scheme != "file" else f"file:///{path}",
    st.sampled_from(SCHEMES),
    WORD,
)
MODELS = st.builds(
    Model,
    name=WORD,
    source=SOURCE,
    profiles=st.dictionaries(WORD, st.builds(Profile, **COMMON), max_size=2),
    **COMMON,
)


@given(MODELS)
def test_a_model_comes_back_from_json(model: Model) -> None:
    assert Model.model_validate(model.model_dump(mode="json")) == model
    assert Model.model_validate_json(model.model_dump_json()) == model


@given(st.lists(MODELS, max_size=3, unique_by=lambda each: each.name).filter(bool))
def test_models_come_back_from_a_file(models: list[Model]) -> None:
    out, yaml = io.StringIO(), YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump_all([each.model_dump(mode="json", exclude_none=True) for each in models], out)
    assert load(out.getvalue(), "f.yaml", "/") == [_without_null_args(each) for each in models]


def _without_null_args(model: Model) -> Model:
    return Model.model_validate(model.model_dump(mode="json", exclude_none=True))


@pytest.mark.parametrize(("first", "second"), [*product(["\n", "\r\n"], ["", "\ufeff"])])
def test_line_ends_and_byte_order_marks(first: str, second: str) -> None:
    assert one(second + "kind: Model\nname: a\nsource: org/a\n".replace("\n", first)).name == "a"
