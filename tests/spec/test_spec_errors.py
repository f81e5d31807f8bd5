"""Every fault of a file is one line: file, line, column, field, what was found, what to write instead."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import SpecError, from_wire
from headway.spec.check import MOST_FAULTS, from_json, object_of
from headway.spec.fault import Faults
from headway.spec.gpu import GPU_FORM
from headway.spec.load import load
from headway.spec.source import FORM as SOURCE_FORM
from headway.spec.tree import MOST_CHARACTERS, MOST_DEPTH, MOST_VALUES

HEAD = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
FIELDS = (
    "kind, name, source, task, engine, replicas, gpu, cpu, memory, slo, price, routing, cache, deadlines, args, env, "
    "image, priority, cost, weights, pod, variants, profiles"
)
NO_UNIT = "which has no unit"
DURATION = "write a duration like 500ms, 10m or 1h30m"
SIZE = "write a size like 24GB, 512MB or 1.5GiB"
CPU = "write cores like 2, 0.5 or 500m"
REPLICAS = "write a number or a range, like 2 or 0..8"
CREDENTIAL = "looks like a credential written out"
BY_NAME = "write secret:NAME/KEY, and keep the value out of the file"
ENV_NAME = "no name of an environment variable; write letters, digits and _, not beginning with a digit"
PROFILES = "write {local: {source: builtin://smollm2-135m-instruct, gpu: cpu}}"
TOO_LONG = f"found {MOST_CHARACTERS + 1} characters; a file may have {MOST_CHARACTERS}; split it"
BILLION = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghi")
)
"""Nine lines that would be a billion values."""
ARG_FORM = "write text, a number, true, false or a list of them; JSON goes in quotes"

# One field, written below HEAD: its line, and the one fault that is told.
OF_ONE_FIELD: list[tuple[str, str]] = [
    # keys
    ("replica: 1", "4:1: replica: unknown field; did you mean replicas?"),
    ("Replicas: 1", "4:1: Replicas: unknown field; did you mean replicas?"),
    ("profile: {}", "4:1: profile: unknown field; did you mean profiles?"),
    ("zzz: 1", f"4:1: zzz: unknown field; fields here: {FIELDS}"),
    ("ttft: 1s", "4:1: ttft: unknown field; write it under slo"),
    ("idle: 10m", "4:1: idle: not in this version yet; remove it"),
    ("adapters: []", "4:1: adapters: not in this version yet; remove it"),
    ("rollout: {strategy: canary}", "4:1: rollout: not in this version yet; remove it"),
    ("profiles: {local: {floor: []}}", "4:20: profiles.local.floor: not in this version yet; remove it"),
    ("profiles: {local: {memry: 1GB}}", "4:20: profiles.local.memry: unknown field; did you mean memory?"),
    ("slo: {ttfb: 1s}", "4:7: slo.ttfb: unknown field; did you mean ttft?"),
    ("source: org/name", "4:1: source stands twice, first in line 3; keep one of them"),
    ("gpu: {{ gpu }}", "4:7: found a mapping or a list as a key; is this a template that was not filled in?"),
    ("gpu: !gpu auto", "4:6: the tag !gpu is not read here; remove it"),
    ("<<: 5", "4:5: << takes a mapping; write <<: *name, where &name stands before a mapping"),
    # words
    ("task: chatt", "4:7: task: found 'chatt'; did you mean chat?"),
    ("task: speech", "4:7: task: found 'speech'; use one of chat, completion, embedding"),
    ("task: 3", "4:7: task: found 3; use one of chat, completion, embedding"),
    ("engine: llama.cpp", "4:9: engine: found 'llama.cpp'; did you mean llamacpp?"),
    ("engine: triton", "4:9: engine: found 'triton'; use one of llamacpp, embed, vllm, sglang, openai, mock"),
    # replicas
    ("replicas: 8..0", "4:11: replicas: found 8..0; write the lower end first: 0..8"),
    ("replicas: 0..1001", "4:11: replicas: found 0..1001; write 0 to 1000"),
    ("replicas: -1", f"4:11: replicas: found -1; {REPLICAS}"),
    ("replicas: 1.5", f"4:11: replicas: found 1.5; {REPLICAS}"),
    ("replicas: 1...3", f"4:11: replicas: found '1...3'; {REPLICAS}"),
    ("replicas: many", f"4:11: replicas: found 'many'; {REPLICAS}"),
    ("replicas: true", f"4:11: replicas: found true; {REPLICAS}"),
    ("replicas: {low: 1, high: 2}", f"4:11: replicas: found a mapping; {REPLICAS}"),
    # numbers with units
    ("memory: 24", f"4:9: memory: found 24, {NO_UNIT}; {SIZE}"),
    ('memory: "24"', f"4:9: memory: found '24', {NO_UNIT}; {SIZE}"),
    ("memory: 24gb", "4:9: memory: found '24gb'; did you mean 24GB?"),
    ("memory: 0GB", f"4:9: memory: found '0GB', which is too little; {SIZE}"),
    ("memory: [1GB]", f"4:9: memory: found a list; {SIZE}"),
    ("slo: {ttft: 500}", f"4:13: slo.ttft: found 500, {NO_UNIT}; {DURATION}"),
    ("slo: {itl: 0.05}", f"4:12: slo.itl: found 0.05, {NO_UNIT}; {DURATION}"),
    ("slo: {itl: 0s}", f"4:12: slo.itl: found '0s', which is too little; {DURATION}"),
    ("slo: 500ms", "4:6: slo: found '500ms'; write {ttft: 500ms, itl: 50ms}"),
    ("cpu: lots", f"4:6: cpu: found 'lots'; {CPU}"),
    ("cpu: 0", "4:6: cpu: found 0; write 1m (a thousandth of a core) to 4096 cores"),
    ("cpu: .inf", f"4:6: cpu: found inf; {CPU}"),
    ("gpu: atuo", "4:6: gpu: found 'atuo'; did you mean auto?"),
    ("gpu: [H100]", f"4:6: gpu: found a list; {GPU_FORM}"),
    ("gpu: 24GB", "4:6: gpu: found '24GB'; write 24GB.. for a GPU with at least that much memory"),
    # args and env
    ("args: {--ctx-size: 1}", "4:8: args.--ctx-size: begins with a dash; write ctx-size, Headway adds the dashes"),
    ("args: {a b: 1}", "4:8: args.a b: no name of an option; write it as the engine does, like ctx-size"),
    ("args: {a: {b: 1}}", f"4:11: args.a: found a mapping; {ARG_FORM}"),
    ("args: {a: [[1]]}", "4:11: args.a: found a list in a list; write text, numbers, true or false in it"),
    ("args: {a: .nan}", "4:11: args.a: found nan; write a finite number"),
    ("args: ctx-size", "4:7: args: found a value, no mapping; write a mapping like {ctx-size: 8192}"),
    (
        "args: {api-key: s3cr3t}",
        f"4:17: args.api-key: {CREDENTIAL}; give it to the engine under env as secret:NAME/KEY",
    ),
    (
        "args: {a: secret:hf/token}",
        "4:11: args.a: a secret on a command line can be seen by all; give it to the engine under env",
    ),
    ("env: [A]", "4:6: env: found a list; write a mapping like {HF_TOKEN: secret:hf/token}"),
    ("env: {1A: x}", f"4:7: env.1A: {ENV_NAME}"),
    ("env: {A: 1}", '4:10: env.A: found 1, which is no text; write it in quotes: "1"'),
    ("env: {A: true}", '4:10: env.A: found true, which is no text; write it in quotes: "true"'),
    ("env: {A: [x]}", "4:10: env.A: found a list; write text or secret:NAME/KEY"),
    ("env: {A: secret:hf}", "4:10: env.A: does not name a secret; write secret:NAME/KEY"),
    ("env: {HF_TOKEN: abc}", f"4:17: env.HF_TOKEN: {CREDENTIAL}; {BY_NAME}"),
    ("env: {db_password: '1234'}", f"4:20: env.db_password: {CREDENTIAL}; {BY_NAME}"),
    ("env: {A: sk-abcdefghijklmnopqrstuvwx}", f"4:10: env.A: {CREDENTIAL}; {BY_NAME}"),
    # what only a cluster reads
    ("image: vllm", "4:8: image: found 'vllm'; write an image with its tag, like vllm/vllm-openai:v0.12.0"),
    ("priority: High!", "4:11: priority: found 'High!'; write the name of an object of the cluster, like production"),
    ("cost: {}", "4:7: cost: says nothing; write cost: {spot: prefer}, or leave it out"),
    ("cost: {max: 3}", "4:13: cost.max: found 3, which has no unit; write money for an hour, like 2.5/h or 2.5 EUR/h"),
    ("cost: {spot: always}", "4:14: cost.spot: found 'always'; use one of prefer, only, never"),
    ("weights: {cache: disk}", "4:18: weights.cache: found 'disk'; use one of volume, replica, image, stream, none"),
    ("weights: {}", "4:10: weights: says nothing; write weights: {cache: volume}, or leave it out"),
    ("weights: {cache: none, class: fast}", "4:31: weights.class: found fast; cache none has no claim: leave it out"),
    ("pod: [a]", "4:6: pod: found a list; write a mapping like {nodeSelector: {pool: inference}}"),
    (
        "pod: {a: [{b: hf_abcdefghijklmnopqrst}]}",
        "4:15: pod.a.0.b: looks like a credential written out; name a Secret of the cluster instead",
    ),
    # profiles
    ("profiles: [local]", f"4:11: profiles: found a list; {PROFILES}"),
    ("profiles: {local: 3}", "4:19: profiles.local: found 3; write a mapping of fields"),
    ("profiles: {a b: {}}", "4:17: profiles.a b: found 'a b'; write local, kubernetes or the name of a Site"),
    ("profiles: {local: {replicas: x}}", f"4:30: profiles.local.replicas: found 'x'; {REPLICAS}"),
    ("profiles: {local: {env: {A: }}}", "4:28: profiles.local.env.A: found nothing; write text or secret:NAME/KEY"),
]  # fmt: skip

# A whole file, and the one fault that is told.
OF_A_FILE: list[tuple[str, str]] = [
    ("", "f.yaml: found no document; the smallest has three lines: kind: Model, name: chat, "
         "source: builtin://smollm2-135m-instruct"),
    ("# nothing\n---\n---\n", "f.yaml: found no document; the smallest has three lines: kind: Model, name: chat, "
                              "source: builtin://smollm2-135m-instruct"),
    ("- a\n", "f.yaml:1:1: found a list; write fields, beginning with kind: Model"),
    ("chat\n", "f.yaml:1:1: found 'chat'; write fields, beginning with kind: Model"),
    ("name: chat\n", "f.yaml:1:1: kind: missing; write kind: Model"),
    ("kind:\nname: chat\n", "f.yaml:1:1: kind: missing; write kind: Model"),
    ("kind: Modle\n", "f.yaml:1:7: kind: found 'Modle'; did you mean Model?"),
    ("kind: [Model]\n", "f.yaml:1:7: kind: found a list; kinds here: Model, Tenant, Route, App, Workload, Site"),
    ("apiVersion: apps/v1\nkind: Deployment\n",
     "f.yaml:2:7: kind: found 'Deployment'; kinds here: Model, Tenant, Route, App, Workload, Site"),
    ("kind: Batch\nname: a\n",
     "f.yaml:1:7: kind: Batch is not in this version yet; kinds here: Model, Tenant, Route, App, Workload, Site"),
    ("kind: Model\nsource: org/name\n", "f.yaml:1:1: name: missing; write name: chat"),
    ("kind: Model\nname: chat\n", "f.yaml:1:1: source: missing; write source: builtin://smollm2-135m-instruct"),
    ("kind: Model\nnmae: chat\nsource: org/name\n", "f.yaml:2:1: nmae: unknown field; did you mean name?"),
    ("kind: Model\nname: My Chat\nsource: org/name\n",
     "f.yaml:2:7: name: found 'My Chat'; write a name of a-z, 0-9 and - that begins and ends with a letter or digit, "
     "e.g. my-chat"),
    (f"kind: Model\nname: {'x' * 64}\nsource: org/name\n",
     "f.yaml:2:7: name: found a name of 64 characters; write one of at most 63"),
    ("kind: Model\nname: 7\nsource: org/name\n", 'f.yaml:2:7: name: found 7; write a name, in quotes: "7"'),
    ("kind: Model\nname: [a]\nsource: org/name\n", "f.yaml:2:7: name: found a list; write a name, e.g. chat"),
    ("kind: Model\nname: chat\nsource: 7\n", f"f.yaml:3:9: source: found 7; {SOURCE_FORM}"),
    ("kind: Model\nname: chat\nsource: bultin://x\n",
     "f.yaml:3:9: source: unknown scheme 'bultin'; did you mean builtin://?"),
    (HEAD + "---\n" + HEAD,
     "f.yaml:6:7: name: chat stands twice, first at f.yaml:2; callers could not tell them apart: choose another name"),
    # the form of a Kubernetes object
    ("kind: Model\nmetadata: {name: chat}\nspec: {source: org/name}\n",
     "f.yaml:1:1: apiVersion: missing; write apiVersion: headway.dev/v1alpha1"),
    ("apiVersion: v1\nkind: Model\nmetadata: {name: chat}\nspec: {source: org/name}\n",
     "f.yaml:1:13: apiVersion: found 'v1'; write headway.dev/v1alpha1"),
    ("apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {nam: x, name: chat}\nspec: {source: org/name}\n",
     "f.yaml:3:12: metadata.nam: unknown field; did you mean name?"),
    ("apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {labels: {}}\nspec: {source: org/name}\n",
     "f.yaml:3:11: metadata.name: missing; write name: chat"),
    ("apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {name: chat}\nspec: {source: org/name}\ngpu: auto\n",
     "f.yaml:5:1: gpu: stands beside spec; write it under spec"),
    ("apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {name: chat}\nspec: {source: org/name, name: chat}\n",
     "f.yaml:4:26: spec.name: stands in spec; write it under metadata"),
    ("apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {name: chat}\nspec: {source: org/name, cpu: x}\n",
     f"f.yaml:4:31: spec.cpu: found 'x'; {CPU}"),
    # not YAML
    ("a:\n\tb: 1\n", "f.yaml:2:1: not YAML: found character '\\t' that cannot start any token; "
                     "indent with spaces, not with tabs"),
    ("a: b: c\n", "f.yaml:1:5: not YAML: mapping values are not allowed here; "
                  "check the indentation, and put a value that holds ': ' in quotes"),
    ("a: [1, 2\n", "f.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>' (it began in line 1); "
                   "check the indentation, brackets and quotes"),
    ("a: @b\n", "f.yaml:1:4: not YAML: found character '@' that cannot start any token; put the value in quotes"),
    ("a: b\nc: \x00\n", "f.yaml:2:4: not text: it holds the character U+0000; save the file as plain UTF-8"),
    ("a: *b\n", "f.yaml:1:4: *b has no &b before it; write the value itself"),
    ("a: &a {b: *a}\n", "f.yaml:1:11: *a has no &a before it; write the value itself"),
    # bounds
    ("[" * 200_000, f"f.yaml:1:{MOST_DEPTH + 1}: nested more than {MOST_DEPTH} deep; no field needs that"),
    ("#" * (MOST_CHARACTERS + 1), f"f.yaml: {TOO_LONG}"),
    (BILLION, f"f.yaml:5:4: more than {MOST_VALUES} values, aliases counted in full; split the file"),
]  # fmt: skip


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, "f.yaml", "/home/u")
    return [str(each) for each in (caught.value, *caught.value.others)]


@pytest.mark.parametrize(("line", "fault"), OF_ONE_FIELD)
def test_a_fault_of_one_field(line: str, fault: str) -> None:
    assert faults(HEAD + line + "\n") == [f"f.yaml:{fault}"]


@pytest.mark.parametrize(("text", "fault"), OF_A_FILE, ids=lambda each: each[:40])
def test_a_fault_of_a_file(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_all_faults_of_a_file_are_told_in_its_order() -> None:
    text = HEAD + "gpu: atuo\nreplica: 1\nargs: {-a: 1, b: {}}\n---\nkind: Batch\n---\n" + HEAD + "cpu: x\n"
    assert faults(text) == [
        "f.yaml:4:6: gpu: found 'atuo'; did you mean auto?",
        "f.yaml:5:1: replica: unknown field; did you mean replicas?",
        "f.yaml:6:8: args.-a: begins with a dash; write a, Headway adds the dashes",
        f"f.yaml:6:18: args.b: found a mapping; {ARG_FORM}",
        "f.yaml:8:7: kind: Batch is not in this version yet; kinds here: Model, Tenant, Route, App, Workload, Site",
        "f.yaml:11:7: name: chat stands twice, first at f.yaml:2; "
        "callers could not tell them apart: choose another name",
        f"f.yaml:13:6: cpu: found 'x'; {CPU}",
    ]


def test_a_model_with_a_fault_still_has_its_name() -> None:
    assert len(faults(HEAD + "cpu: x\n---\n" + HEAD)) == 2


def test_very_many_faults_are_counted() -> None:
    told = faults(HEAD + "".join(f"zz{number}: 1\n" for number in range(200)))
    assert len(told) == MOST_FAULTS
    assert told[-1] == "f.yaml: and 151 more faults; mend these first"


def test_a_credential_is_never_repeated() -> None:
    value = "hf_abcdefghijklmnopqrstuvwxyz"
    for place in (f"env: {{HF_TOKEN: {value}}}", f"env: {value}", f"args: {{a: {value}}}", f"env: {{A: [{value}]}}"):
        assert value not in "".join(faults(f"{HEAD}{place}\n"))
    with pytest.raises(Faults) as caught:
        object_of("Model", {"name": "a", "source": "org/name", "env": {"HF_TOKEN": value}})
    assert value not in str(caught.value)


def test_faults_cross_a_wire() -> None:
    with pytest.raises(SpecError) as caught:
        load(HEAD + "cpu: x\nmemory: 24\n", "f.yaml", "/")
    error = caught.value
    again = from_wire(error.to_wire())
    assert isinstance(again, SpecError)
    assert again.to_wire() == error.to_wire()
    assert [str(each) for each in again.others] == [f"f.yaml:5:9: memory: found 24, {NO_UNIT}; {SIZE}"]


def test_what_another_program_sends_is_told_by_field() -> None:
    with pytest.raises(SpecError) as caught:
        from_json({"name": "a", "source": "./m.gguf", "replicas": [], "bogus": 1})
    assert [str(each) for each in (caught.value, *caught.value.others)] == [
        "source: found './m.gguf', a relative path; write the whole path, like file:///models/model.gguf",
        f"replicas: found a list; {REPLICAS}",
        f"bogus: unknown field; fields here: {FIELDS}",
    ]
    with pytest.raises(SpecError, match="found no mapping; send a Model as a JSON object"):
        from_json([])


YAML_LIKE = st.text(alphabet="ab:{}[]&*!|>-,'\"# \n\t?<%@\\\u00e9", max_size=60)


@given(YAML_LIKE | st.text(max_size=40) | st.binary(max_size=40).map(lambda each: each.decode("latin-1")))
def test_any_text_loads_or_is_refused_in_single_lines(text: str) -> None:
    """No traceback, whatever is in the file."""
    for each in (text, HEAD + text):
        try:
            load(each, "f.yaml", "/")
        except SpecError as error:
            told = [str(fault) for fault in (error, *error.others)]
        else:
            continue
        assert all(line.startswith("f.yaml") and len(line.splitlines()) == 1 for line in told)


@given(
    st.dictionaries(
        st.sampled_from(FIELDS.split(", ")[1:]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_json_is_a_model_or_a_spec_error(data: dict[str, object]) -> None:
    outcome = attempt_json(data)
    assert outcome == "model" or outcome.count("\n") == 0


def attempt_json(data: dict[str, object]) -> str:
    try:
        from_json(data)
    except SpecError as error:
        return str(error)
    return "model"
