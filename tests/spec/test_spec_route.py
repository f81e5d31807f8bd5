"""Kind Route and variants of a Model: every field read and written, every fault told with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headway.errors import SpecError
from headway.spec.cache import ResponseCache
from headway.spec.check import from_json, route_from_json
from headway.spec.load import load, load_places
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.schema import json_schema
from headway.spec.tenant import Allowance
from tests.support.spec import fits

SCHEMA = json_schema()
HEAD = "kind: Route\nname: assistant\n"
WHOLE = """
kind: Route
name: assistant
to: [{model: big, weight: 90}, {model: small, weight: 10}]
match: [{header: X-Team, equals: research, model: big}]
fallback:
- {model: small, on: saturated}
- {model: provider, budget: {day: 5 USD, month: 2M}}
within: 10s
prefer: cheapest
slo: {ttft: 500ms}
shadow: {model: candidate, share: 0.5%, most: 4, rate: 1k}
cache: {responses: {ttl: 10m, which: all}}
"""
MODEL = "kind: Model\nname: NAME\nsource: builtin://smollm2-135m-instruct\n"
OF_ONE_FIELD = [
    ("", "1:1: to: missing; write to: [{model: big, weight: 90}, {model: small, weight: 10}]"),
    ("to: []", "3:5: to: found an empty list; write [{model: big}]"),
    ("to: [{model: a, weight: 0}]", "3:5: to: no Model has a weight above 0; give one a weight"),
    ("to: [{model: a, weight: -1}]", "3:25: to.0.weight: found -1; write a number from 0 on, like 90"),
    ("to: [{model: a}, {model: a}]", "3:5: to: a stands twice; keep one of them"),
    ("to: [{modle: a}]", "3:7: to.0.modle: unknown field; did you mean model?"),
    ("to: [{model: a}]\nfallbacks: []", "4:1: fallbacks: unknown field; did you mean fallback?"),
    ("to: [{model: a}]\nfallback: [{model: b, on: [eror]}]",
     "4:27: fallback.0.on: found a list; write a list of error, saturated, deadline"),
    ("to: [{model: a}]\nfallback: [{model: b, budget: {day: lots}}]",
     "4:37: fallback.0.budget.day: found 'lots'; write tokens like 2M or 500 tokens, or money like 50 USD"),
    ("to: [{model: a}]\nwithin: 10",
     "4:9: within: found 10, which has no unit; write a duration like 500ms, 10m or 1h30m"),
    ("to: [{model: a}]\nprefer: cheapest",
     "4:9: prefer: prefer: cheapest needs an slo; write slo: {ttft: 500ms}: the cheapest that meets it"),
    ("to: [{model: a}]\nprefer: cheap", "4:9: prefer: found 'cheap'; did you mean cheapest?"),
    ("to: [{model: a}]\nshadow: {model: b, share: 5}", "4:27: shadow.share: found 5; write a part like 5% or 0.5%"),
    ("to: [{model: a}]\nmatch: [{header: Authorization, equals: x, model: a}]",
     "4:18: match.0.header: found 'Authorization'; a key is no way to tell requests apart: use a header of your own"),
    ("to: [{model: a}]\ncache: {responses: {ttl: 10}}",
     "4:26: cache.responses.ttl: found 10, which has no unit; write a duration like 500ms, 10m or 1h30m"),
    ("to: [{model: a}]\ncache: {}",
     "4:8: cache: says not what to keep; write cache: {responses: {}}, or leave it out"),
    ("to: [{model: a}]\nresponses: {}", "4:1: responses: unknown field; write it under cache"),
    ("to: [{model: assistant}]", "3:14: to.0.model: assistant is the Route itself; name a Model"),
]  # fmt: skip


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as found:
        load(text, "f.yaml", "/")
    return [str(each) for each in (found.value, *found.value.others)]


def test_a_whole_route_is_read_and_written() -> None:
    (route,) = load(WHOLE, "f.yaml", "/")
    assert isinstance(route, Route)
    assert [(each.model, each.weight) for each in route.to] == [("big", 90), ("small", 10)]
    assert route.match[0].header == "x-team"
    assert route.fallback[0].on == ("saturated",)
    assert route.fallback[1].on == ("error", "saturated", "deadline")
    assert route.fallback[1].budget.day == Allowance(5_000_000, "micros")
    assert route.within == 10.0
    assert route.shadow
    assert (route.shadow.share, route.shadow.most, route.shadow.rate) == (0.005, 4, 1000)
    assert route.cache
    assert route.cache.responses == ResponseCache(ttl=600, which="all")
    assert list(route.models) == ["big", "small", "provider", "candidate"]
    written = route.model_dump(mode="json")
    assert route_from_json(json.loads(json.dumps(written))) == route
    assert fits(route.model_dump(mode="json", exclude_none=True), SCHEMA)


@pytest.mark.parametrize(("line", "fault"), OF_ONE_FIELD, ids=lambda each: each[:40])
def test_a_fault_of_one_field(line: str, fault: str) -> None:
    assert faults(HEAD + line + "\n") == [f"f.yaml:{fault}"]


def test_as_a_kubernetes_object() -> None:
    head = "apiVersion: headway.dev/v1alpha1\nkind: Route\nmetadata: {name: assistant}\nspec:\n"
    (route,) = load(head + "  to: [{model: big}]\n", "f.yaml", "/")
    assert route == route_from_json({"kind": "Route", "name": "assistant", "to": [{"model": "big"}]})


def test_names_are_one_namespace() -> None:
    text = MODEL.replace("NAME", "chat") + "---\n" + "kind: Route\nname: chat\nto: [{model: big}]\n"
    assert faults(text) == [
        "f.yaml:6:7: name: chat stands twice, first at f.yaml:2; callers could not tell them apart: choose another name"
    ]
    _, places = load_places(MODEL.replace("NAME", "big") + "---\n" + HEAD + "to: [{model: big}]\n", "f.yaml", "/")
    assert places == {"big": "f.yaml:2", "assistant": "f.yaml:6"}


def test_what_is_spent_or_compared_needs_a_price() -> None:
    models = "---\n".join(MODEL.replace("NAME", name) for name in ("big", "provider")) + "---\n"
    money = HEAD + "to: [{model: big}]\nfallback: [{model: provider, budget: {day: 5 USD}}]\n"
    assert faults(models + money) == [
        "f.yaml:12:38: fallback.0.budget: found a budget in money, but the Model provider has no price; "
        "write price: in the Model provider, or a budget in tokens"
    ]
    assert load(models + money.replace("5 USD", "5M"), "f.yaml", "/")
    cheapest = HEAD + "to: [{model: big}, {model: elsewhere}]\nprefer: cheapest\nslo: {ttft: 1s}\n"
    assert faults(models + cheapest)[0].startswith("f.yaml:11:14: to.0.model: the Model big has no price")


def variants(*listed: dict[str, Any], **more: Any) -> Model:
    return from_json({"name": "chat", "source": "org/name", "variants": list(listed), **more})


def test_variants_are_ways_to_serve_a_model() -> None:
    model = variants(
        {"name": "h100", "gpu": "H100", "args": {"a": 2}, "replicas": "2"},
        {"name": "l4", "source": "org/name-fp8", "price": {"input": "0.1/1M"}},
        args={"a": 1, "b": 1},
        replicas="0..3",
        price={"input": "0.5/1M"},
    )
    fast, cheap = model.ways["h100"], model.ways["l4"]
    assert (fast.name, fast.gpu, fast.args, fast.replicas.wanted) == ("chat", "H100", {"a": 2, "b": 1}, 2)
    assert (cheap.source, cheap.args, cheap.replicas.wanted) == ("hf://org/name-fp8", {"a": 1, "b": 1}, 1)
    assert fast.price
    assert cheap.price
    assert (fast.price.input, cheap.price.input) == (500_000, 100_000)
    assert from_json(model.model_dump(mode="json")) == model
    assert list(from_json({"name": "chat", "source": "org/name"}).ways) == [""]


def test_a_profile_that_says_what_serves_leaves_the_variants_out() -> None:
    profiles = {"local": {"source": "org/small"}, "other": {"replicas": 2}}
    model = variants({"name": "a"}, {"name": "b"}, profiles=profiles)
    assert list(model.on("local", "local").ways) == [""]
    assert list(model.on("other", "kubernetes").ways) == ["a", "b"]


def test_a_variant_stands_once() -> None:
    with pytest.raises(SpecError, match="a stands twice; give each variant its own name"):
        variants({"name": "a"}, {"name": "a"})
