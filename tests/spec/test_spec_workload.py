"""Kind Workload: every field read and written, every fault and contradiction told in one line with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headway.errors import SpecError, UsageError
from headway.spec.check import workload_from_json
from headway.spec.load import load
from headway.spec.presets import PRESETS, preset, preset_text
from headway.spec.schema import json_schema
from headway.spec.workload import Workload
from tests.support.spec import fits

SCHEMA = json_schema()
HEAD = "kind: Workload\nname: w\n"
SMALLEST = "arrivals: {rate: 20/s}\nprompt: 200\noutput: 100\n"
WHOLE = """
kind: Workload
name: evening-chat
model: chat
tenant: research
adapter: legal
operation: chat
stream: true
arrivals: {rate: 600/min, pattern: gamma, cv: 3}
for: 10m
prompt: {p50: 1020, p90: 2.7k, p99: 4000, max: 16k}
output: {mean: 200, sd: 150, max: 1k}
context: 32k
prefix: {tokens: 100..900, count: 2k, zipf: 0.9}
sessions: {turns: 1..8, think: {mean: 10s}}
cancel: {share: 5%, after: 20}
mix:
- {weight: 9}
- {weight: 1, model: big, prompt: 4k, slo: {e2e: 30s}, sessions: {turns: 2, think: 5s..20s}}
slo: {ttft: 500ms, itl: 50ms, tpot: 50ms, e2e: 10s}
warmup: 20s
seed: 7
"""
REPLAY = """
kind: Workload
name: again
trace: {file: ./azure.csv.gz, format: azure, speed: 20, from: 5m, for: 10m, share: 10%, sessions: false,
        models: {GPT-4: big}}
requests: 10k
"""
FAULTS = [
    ("", "1:1: arrivals: missing; write arrivals: {rate: 20/s}, or trace: {file: ./azure.csv}"),
    ("arrivals: {rate: 20/s}\noutput: 1",
     "1:1: prompt: missing; write prompt: 200, or quantiles: {p50: 200, p90: 900}"),
    ("arrivals: {rate: 20/s}\nprompt: 1",
     "1:1: output: missing; write output: 100, or quantiles: {p50: 100, p90: 400}"),
    (SMALLEST + "operation: embedding", "5:1: output: an embedding has none; remove it, or write operation: chat"),
    (SMALLEST + "sesions: {turns: 2}", "6:1: sesions: unknown field; did you mean sessions?"),
    (SMALLEST + "rate: 20/s", "6:1: rate: unknown field; write it under arrivals"),
    (SMALLEST + "zipf: 1", "6:1: zipf: unknown field; write it under prefix"),
    (SMALLEST + "slo: {tftf: 1s}", "6:7: slo.tftf: unknown field; did you mean ttft?"),
    (SMALLEST + "slo: {ttft: 500}",
     "6:13: slo.ttft: found 500, which has no unit; write a duration like 500ms, 10m or 1h30m"),
    (SMALLEST + "for: 60", "6:6: for: found 60, which has no unit; write a duration like 500ms, 10m or 1h30m"),
    (SMALLEST + "lasts: 60s", "6:1: lasts: unknown field; "),
    (SMALLEST + "for: 60s\nrequests: 100", "7:1: requests: found requests and for; write one of the two"),
    (SMALLEST + "trace: {file: a.csv}", "3:1: arrivals: stands beside a trace; "),
    (SMALLEST + "cancel: {share: 5}", "6:17: cancel.share: found 5; write a part like 5% or 0.5%"),
    (SMALLEST + "seed: -1", "6:7: seed: found -1; write a whole number from 0 on, like 1"),
    (SMALLEST + "mix: [{weight: 0}]", "6:16: mix.0.weight: found 0; write a number above 0, like 9"),
    (SMALLEST + "mix: [{}, {operation: embedding, output: 5}]",
     "6:34: mix.1.output: an embedding has none; remove it, or write operation: chat"),
    (SMALLEST + "operation: completion\nsessions: {turns: 2}",
     "7:1: sessions: a completion has no turns; write operation: chat"),
    (SMALLEST + "stream: false\ncancel: {share: 5%}",
     "7:1: cancel: tokens of an answer that is not streamed come all at once; write stream: true"),
    (SMALLEST + "warmup: 1m", "6:9: warmup: found 1m, and the whole lasts 1m; write less, or send for longer"),
    (SMALLEST + "operation: chatt", "6:12: operation: found 'chatt'; did you mean chat?"),
    (SMALLEST + "prefix: {tokens: 1, count: 2M}", "6:28: prefix.count: found 2000000; write at most 1000000"),
    (SMALLEST + "sessions: {turns: 2, think: 5}",
     "6:29: sessions.think: found 5, which has no unit; write a duration (10s), a range (5s..20s), or a mean"),
    (SMALLEST + "sessions: {turns: 2, think: 20s..5s}",
     "6:29: sessions.think: found '20s..5s'; write the lower end first: 5s..20s"),
    (SMALLEST + "sessions: {turns: 2, think: {mean: 1s, max: 2s}}",
     "6:36: sessions.think.mean: found a mean and a range; write one of the two"),
    ("trace: {file: s3://b/a.csv}",
     "3:15: trace.file: found 's3://b/a.csv'; write the path of a file on this machine, like ./azure.csv"),
    ("trace: {file: a.csv, speed: 0}", "3:29: trace.speed: found 0; write how many times faster, like 20"),
    ("trace: {file: a.csv, format: azur}", "3:30: trace.format: found 'azur'; did you mean azure?"),
]  # fmt: skip
ARRIVALS = [
    ("{}", "3:11: arrivals: says not when requests come; write {rate: 20/s} or {concurrency: 32}"),
    ("{rate: 20}", "3:18: arrivals.rate: found 20, which has no unit; write a rate like 20/s, 600/min or 0.5/s, or a"),
    ("{rate: 20/m}", "3:18: arrivals.rate: found '20/m'; write a rate like"),
    ("{rate: -5/s}", "3:18: arrivals.rate: found '-5/s'; write a rate like"),
    ("{rate: 0/s}", "3:18: arrivals.rate: the rate is 0 all the time; write a rate like 20/s"),
    ("{rate: 2M/s}", "3:18: arrivals.rate: found '2M/s'; write a rate like"),
    ("{rate: 20/s, concurrency: 3}",
     "3:37: arrivals.concurrency: found rate and concurrency; write one: a rate, or callers that wait, or stages"),
    ("{rate: 20/s, pattern: gamma}",
     "3:33: arrivals.pattern: gamma needs a cv; write cv: 3 (bursty) or cv: 0.5 (even)"),
    ("{rate: 20/s, cv: 2}", "3:28: arrivals.cv: found a cv, but the pattern is poisson; write pattern: gamma"),
    ("{rate: 20/s, pattern: possion}", "3:33: arrivals.pattern: found 'possion'; did you mean poisson?"),
    ("{concurrency: 3, pattern: constant}",
     "3:25: arrivals.concurrency: callers that wait have no constant; write rates in all stages, or concurrency in"),
    ("{concurrency: 0}", "3:25: arrivals.concurrency: found 0; write a whole number from 1 to 100000, like 32"),
    ("{stages: [{rate: 1/s}]}", "3:21: arrivals.stages.0.for: missing; write for: 2m"),
    ("{stages: [{for: 1m}]}",
     "3:21: arrivals.stages.0: found neither rate nor concurrency; write one of the two, like {rate: 20/s, for: 2m}"),
    ("{stages: [{rate: 1/s, for: 1m}, {concurrency: 1, for: 1m}]}",
     "3:20: arrivals.stages: found stages with a rate and with callers; write rates in all stages, or concurrency in"),
    ("{stages: [{rate: 1/s, fro: 1m}]}", "3:33: arrivals.stages.0.fro: unknown field; did you mean for?"),
]  # fmt: skip
LENGTHS = [
    ("0", "found 0; write 1 to 10M"),
    ("-3", "found -3; write a number (200), a range (100..2000), {mean: 200, sd: 100} or quantiles"),
    ("1.5", "found 1.5; write a number (200)"),
    ("many", "found 'many'; write a number (200)"),
    ("20..10", "found '20..10'; write the lower end first: 10..20"),
    ("{}", "says no length; write a number (200)"),
    ("{max: 100}", "says no length; write a number (200)"),
    ("{p50: 100}", "found one quantile; write two or more, like {p50: 200, p90: 900}"),
    ("{p50: 100, p90: 90}", "p90: found 90, less than the 100 before it; write rising numbers"),
    ("{p50: 100, p90: 900, max: 800}", "max: found 800, less than the 900 before it; write rising numbers"),
    ("{mean: 100}", "mean: a mean without sd; write {mean: 200, sd: 100}, or the number alone: 200"),
    ("{sd: 100, min: 1, max: 9}", "sd: sd without mean; write {mean: 200, sd: 100}"),
    ("{mean: 100, sd: 1, p50: 3, p90: 4}", "mean: found a mean and quantiles; write one of the two"),
    ("{mean: 100, sd: 1, max: 50}", "mean: found 100, which is not between min and max; write one that is"),
    ("{median: 5}", "median: unknown field; "),
    ("{mean: 5, sd: 1, distribution: pareto}", "distribution: found 'pareto'; use one of lognormal, normal"),
]


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as found:
        load(text, "f.yaml", "/data")
    return [str(each) for each in (found.value, *found.value.others)]


def workload(text: str) -> Workload:
    (found,) = load(text, "f.yaml", "/data")
    assert isinstance(found, Workload)
    return found


def test_a_whole_workload_is_read_and_written() -> None:
    found = workload(WHOLE)
    assert found.arrivals
    assert found.arrivals.rate
    assert (found.arrivals.rate.mean, found.arrivals.variation, found.lasts) == (10.0, 3.0, 600.0)
    assert found.prompt
    assert found.prompt.table == ((0.5, 1020), (0.9, 2700), (0.99, 4000))
    assert found.prefix
    assert (found.prefix.count, found.prefix.tokens.min, found.prefix.tokens.max) == (2000, 100, 900)
    assert found.sessions
    assert (found.sessions.think.mean, found.sessions.think.average) == (10.0, 10.0)
    first, second = found.parts
    assert (first.weight, first.model, first.tenant, first.context) == (9.0, "chat", "research", 32000)
    assert (second.model, second.output, second.tenant) == ("big", found.output, "research")
    assert second.prompt is not None
    assert second.prompt.is_range
    assert second.sessions
    assert second.sessions.think.average == 12.5
    assert second.slo
    assert (second.slo.e2e, second.slo.ttft) == (30.0, None)
    written = json.loads(json.dumps(found.model_dump(mode="json", exclude_none=True)))
    assert workload_from_json(written) == found
    assert fits(written, SCHEMA)
    assert (written["for"], written["prompt"]["max"], written["arrivals"]["rate"]) == ("10m", 16000, "10/s")
    assert workload_from_json(found.model_dump(mode="json")) == found


def test_a_replay_is_read_and_written() -> None:
    found = workload(REPLAY)
    assert found.trace
    assert (found.trace.file, found.trace.start, found.trace.lasts) == ("/data/azure.csv.gz", 300.0, 600.0)
    assert (found.trace.share, found.trace.sessions, found.requests) == (0.1, False, 10_000)
    written = found.model_dump(mode="json", exclude_none=True)
    assert (written["trace"]["from"], written["trace"]["for"]) == ("5m", "10m")
    assert workload_from_json(written) == found
    assert fits(written, SCHEMA)


def test_as_a_kubernetes_object_and_beside_a_model() -> None:
    inner = "".join(f"  {line}\n" for line in SMALLEST.splitlines())
    head = "apiVersion: headway.dev/v1alpha1\nkind: Workload\nmetadata: {name: w}\nspec:\n"
    model = "---\nkind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
    found, other = load(head + inner + "  for: 5m\n" + model, "f.yaml", "/")
    assert isinstance(found, Workload)
    assert (found, other.kind) == (workload(HEAD + SMALLEST + "for: 5m"), "Model")
    assert faults(head + inner + "for: 5m\n") == ["f.yaml:8:1: for: stands beside spec; write it under spec"]


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=lambda each: each[-40:])
def test_a_fault_is_one_line(text: str, fault: str) -> None:
    (found,) = faults(HEAD + text + "\n")
    assert found.startswith(f"f.yaml:{fault}")


@pytest.mark.parametrize(("text", "fault"), ARRIVALS, ids=lambda each: each[:40])
def test_a_fault_of_arrivals(text: str, fault: str) -> None:
    found = faults(f"{HEAD}arrivals: {text}\nprompt: 200\noutput: 100\n")
    assert [each for each in found if each.startswith(f"f.yaml:{fault}")]
    assert len(found) == 1


@pytest.mark.parametrize(("text", "fault"), LENGTHS, ids=lambda each: each[:40])
def test_a_fault_of_a_length(text: str, fault: str) -> None:
    (found,) = faults(f"{HEAD}arrivals: {{rate: 1/s}}\noutput: 100\nprompt: {text}\n")
    where, _, what = found.partition(": prompt")
    assert where.startswith("f.yaml:5:")
    assert what.lstrip(".: ").startswith(fault)


def test_stages_say_their_own_time() -> None:
    stages = HEAD + "arrivals: {stages: [{rate: 1/s, for: 1m}]}\nprompt: 1\noutput: 1\n"
    assert faults(stages + "for: 1m") == [
        "f.yaml:6:1: for: stands beside stages; each stage says its own `for`: remove it"
    ]
    ramp = HEAD + "arrivals: {rate: 1..5/s}\nrequests: 100\nprompt: 1\noutput: 1\n"
    assert faults(ramp) == [
        "f.yaml:4:11: requests: found requests and a rate of 1..5/s; a ramp needs a time: write for: 2m"
    ]


@pytest.mark.parametrize("text", ["20/s", "0.5/s", "1..5/s", "0.3333333333333333/s", "1000000/s", "0.00001/s"])
def test_rates_are_written_as_they_are_read(text: str) -> None:
    found = workload(HEAD + SMALLEST.replace("20/s", text))
    assert found.model_dump(mode="json")["arrivals"]["rate"] == text


@pytest.mark.parametrize(("text", "rate"), [("600/min", 10.0), ("7200/h", 2.0), ("20 / s", 20.0)])
def test_units_of_rates(text: str, rate: float) -> None:
    found = workload(HEAD + SMALLEST.replace("20/s", text)).arrivals
    assert found
    assert found.rate
    assert found.rate.mean == rate


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("200", 200),
        ("2k", 2000),
        ("100..2000", "100..2000"),
        ("1k..1.5k", "1000..1500"),
        ("{min: 3, max: 3}", 3),
        ("{p50: 10, p90: 1k}", {"p50": 10, "p90": 1000}),
        ("{mean: 10.5, sd: 3, distribution: normal}", {"mean": 10.5, "sd": 3.0, "distribution": "normal"}),
    ],
)
def test_lengths_are_written_as_people_do(text: str, written: Any) -> None:
    found = workload(f"{HEAD}arrivals: {{rate: 1/s}}\noutput: 1\nprompt: {text}\n")
    assert found.model_dump(mode="json")["prompt"] == written
    assert workload_from_json(found.model_dump(mode="json")) == found


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_built_in_loads_and_says_its_source(name: str) -> None:
    found = preset(name)
    assert found.name == name
    assert found.slo
    assert found.arrivals
    assert preset_text(name).startswith("#")
    assert workload_from_json(found.model_dump(mode="json")) == found
    assert fits(found.model_dump(mode="json", exclude_none=True), SCHEMA)


def test_a_name_that_is_not_built_in() -> None:
    assert set(PRESETS) == {"chat", "rag", "agent", "code", "summarise", "embed"}
    with pytest.raises(UsageError) as found:
        preset("summarize")
    assert str(found.value) == "no workload 'summarize' is built in; did you mean summarise?"
    with pytest.raises(UsageError, match="there are chat, rag, agent, code, summarise, embed; or name a file"):
        preset("xyz")


def test_an_embedding_in_a_mix_takes_over_no_answer() -> None:
    chat, embed = workload(HEAD + SMALLEST + "sessions: {turns: 3}\nmix: [{}, {operation: embedding}]").parts
    assert chat.output
    assert chat.sessions
    assert (embed.output, embed.sessions, embed.prompt) == (None, None, chat.prompt)
