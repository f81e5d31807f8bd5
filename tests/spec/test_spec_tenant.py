"""Kind Tenant: every field read and written, every fault told with its line, prices where money is spent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import SpecError
from headway.spec.check import tenant_from_json
from headway.spec.document import API_VERSION
from headway.spec.load import load
from headway.spec.model import Model, Price, Routing
from headway.spec.schema import json_schema
from headway.spec.tenant import Allowance, Budget, Data, Limits, Tenant
from headway.spec.units import format_money, format_price, parse_money, parse_price
from tests.support.spec import fits

SCHEMA = json_schema()
HEAD = "kind: Tenant\nname: research\n"
MODEL = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
WHOLE = """
kind: Tenant
name: research
members: [ana, ben@example.com]
models: [chat, "embed-*"]
limits: {rpm: 600, tpm: 200k, parallel: 20}
budget: {day: 2M, month: 50 USD}
priority: high
weight: 2
data: {log: none}
cache: shared
"""
COUNT = "write a count like 500, 200k or 1.5M"
BUDGET = "write tokens like 2M or 500 tokens, or money like 50 USD"
MODELS = "write a list of models, like [chat, embed-*]; left out = all"

OF_ONE_FIELD = [
    ("model: [chat]", "3:1: model: unknown field; did you mean models?"),
    ("rpm: 5", "3:1: rpm: unknown field; write it under limits"),
    ("month: 5M", "3:1: month: unknown field; write it under budget"),
    ("log: none", "3:1: log: unknown field; write it under data"),
    ("idle: 5m", "3:1: idle: unknown field; fields here: kind, name, members, models, limits, budget, priority, "
                 "weight, data, cache, namespace, quota"),
    ("limits: {rps: 5}", "3:10: limits.rps: unknown field; did you mean rpm?"),
    ("limits: {day: 5M}", "3:10: limits.day: unknown field; write it under budget"),
    ("limits: 5", "3:9: limits: found 5; write {rpm: 600, tpm: 200k, parallel: 20}"),
    ("limits: {rpm: 0}", "3:15: limits.rpm: found 0; write at least 1, or leave it out for no limit"),
    ("limits: {rpm: -1}", f"3:15: limits.rpm: found -1; {COUNT}"),
    ("limits: {rpm: 1.5}", f"3:15: limits.rpm: found 1.5; {COUNT}"),
    ("limits: {tpm: 1kk}", f"3:15: limits.tpm: found '1kk'; {COUNT}"),
    ("limits: {tpm: 0.0001k}", f"3:15: limits.tpm: found '0.0001k', which is no whole number; {COUNT}"),
    ("limits: {parallel: true}", f"3:20: limits.parallel: found true; {COUNT}"),
    ("budget: 5M", "3:9: budget: found '5M'; write {day: 2M, month: 50 USD}"),
    ("budget: {day: lots}", f"3:15: budget.day: found 'lots'; {BUDGET}"),
    ("budget: {day: 0}", f"3:15: budget.day: found 0, which is too little; {BUDGET}"),
    ("budget: {day: -5}", f"3:15: budget.day: found -5; {BUDGET}"),
    ("budget: {day: 5 tokens a day}", f"3:15: budget.day: found '5 tokens a day'; {BUDGET}"),
    ("budget: {day: 2m}", "3:15: budget.day: found '2m'; the currency here is USD: write money like 50 USD or 0.5"),
    ("budget: {day: 5 EUR}",
     "3:15: budget.day: found '5 EUR'; the currency here is USD: write money like 50 USD or 0.5"),
    ("budget: {week: 5M}", "3:10: budget.week: unknown field; fields here: day, month"),
    ("priority: urgent", "3:11: priority: found 'urgent'; use one of high, normal, low"),
    ("priority: hihg", "3:11: priority: found 'hihg'; did you mean high?"),
    ("weight: 0", "3:9: weight: found 0; write a number from 0.01 to 100, like 2"),
    ("weight: two", "3:9: weight: found 'two'; write a number from 0.01 to 100, like 2"),
    ("models: []", f"3:9: models: found an empty list; {MODELS}"),
    ("models: chat", f"3:9: models: found 'chat'; {MODELS}"),
    ("models: [chat, My Model]",
     "3:16: models.1: found 'My Model'; write the name of a model, or a pattern like embed-*"),
    ("models: [chat, chat]", "3:9: models: chat stands twice; keep one of them"),
    ("members: [7]", "3:11: members.0: found 7; write a name or an e-mail address"),
    ("data: {log: all}", "3:13: data.log: found 'all'; use one of none, metadata"),
    ("cache: mine", "3:8: cache: found 'mine'; use one of own, shared"),
]  # fmt: skip

# Fields of a Model that came with Tenants.
OF_A_MODEL = [
    ("price: 0.15/1M", "4:8: price: found '0.15/1M'; write {input: 0.15/1M, output: 0.60/1M}"),
    ("price: {input: 0.15}", "4:16: price.input: found 0.15, which has no unit; write money for a number of tokens, "
                             "like 0.15/1M"),
    ("price: {input: 0.15/M}", "4:16: price.input: found '0.15/M'; write money for a number of tokens, like 0.15/1M"),
    ("price: {input: 1/0}", "4:16: price.input: found '1/0'; write money for a number of tokens, like 0.15/1M"),
    ("price: {input: 1 EUR/1M}",
     "4:16: price.input: found '1 EUR/1M'; the currency here is USD: write money like 50 USD or 0.5"),
    ("price: {input: 0.0000001/1M}",
     "4:16: price.input: found '0.0000001/1M'; write money for a number of tokens, like 0.15/1M"),
    ("price: {output: 1/1M}", "4:8: price.input: missing; write input: 0.15/1M"),
    ("price: {inputs: 1/1M, input: 1/1M}", "4:9: price.inputs: unknown field; did you mean input?"),
    ("output: 1/1M", "4:1: output: unknown field; write it under price"),
    ("policy: round_robin", "4:1: policy: unknown field; write it under routing"),
    ("routing: {policy: roundrobin}", "4:19: routing.policy: found 'roundrobin'; did you mean round_robin?"),
]  # fmt: skip


def faults(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, "f.yaml", "/")
    return [str(each).removeprefix("f.yaml:") for each in (caught.value, *caught.value.others)]


def one(text: str) -> Tenant:
    (found,) = load(text, "f.yaml", "/")
    assert isinstance(found, Tenant)
    return found


def test_every_field() -> None:
    assert one(WHOLE) == Tenant.model_construct(
        kind="Tenant",
        name="research",
        members=("ana", "ben@example.com"),
        models=("chat", "embed-*"),
        limits=Limits(rpm=600, tpm=200_000, parallel=20),
        budget=Budget(day=Allowance(2_000_000, "tokens"), month=Allowance(50_000_000, "micros")),
        priority="high",
        weight=2.0,
        data=Data(log="none"),
        cache="shared",
    )


def test_what_is_left_out() -> None:
    tenant = one(HEAD)
    assert (tenant.models, tenant.members, tenant.priority, tenant.weight) == (None, (), "normal", 1.0)
    assert (tenant.limits, tenant.budget, tenant.data.log) == (Limits(), Budget(), "metadata")
    assert tenant.cache == "own", "nobody learns of others by timing unless the file says so"


def test_the_kubernetes_form_is_the_same() -> None:
    lines = "\n".join(f"  {line}" for line in WHOLE.strip().splitlines()[2:])
    text = f"apiVersion: {API_VERSION}\nkind: Tenant\nmetadata: {{name: research}}\nspec:\n{lines}\n"
    assert one(text) == one(WHOLE)
    assert one(f"apiVersion: {API_VERSION}\nkind: Tenant\nmetadata: {{name: research}}\n") == one(HEAD)
    assert faults(text.replace("rpm", "rps")) == ["7:12: spec.limits.rps: unknown field; did you mean rpm?"]


@pytest.mark.parametrize(("line", "fault"), OF_ONE_FIELD)
def test_a_fault_of_one_field(line: str, fault: str) -> None:
    assert faults(HEAD + line + "\n") == [fault]


@pytest.mark.parametrize(("line", "fault"), OF_A_MODEL)
def test_a_fault_of_a_models_new_fields(line: str, fault: str) -> None:
    assert faults(MODEL + line + "\n") == [fault]


@pytest.mark.parametrize(
    ("written", "allowance", "again"),
    [
        ("2M", Allowance(2_000_000, "tokens"), "2M"),
        ("500k", Allowance(500_000, "tokens"), "500k"),
        ("800 tokens", Allowance(800, "tokens"), "800 tokens"),
        ("2M tokens", Allowance(2_000_000, "tokens"), "2M"),
        ("50 USD", Allowance(50_000_000, "micros"), "50 USD"),
        ("50", Allowance(50_000_000, "micros"), "50 USD"),
        ("0.5", Allowance(500_000, "micros"), "0.5 USD"),
        ("0.000001USD", Allowance(1, "micros"), "0.000001 USD"),
    ],
)
def test_a_budget_in_tokens_or_money(written: str, allowance: Allowance, again: str) -> None:
    found = one(f"{HEAD}budget: {{day: {written}}}\n").budget.day
    assert found == allowance
    assert str(found) == again
    assert fits({"kind": "Tenant", "name": "a", "budget": {"day": again}}, SCHEMA)


@pytest.mark.parametrize(
    ("written", "price", "again"),
    [
        ("0.15/1M", 150_000, "0.15/1M"),
        ("0.15 USD / 1M", 150_000, "0.15/1M"),
        ("0.00015/1k", 150_000, "0.15/1M"),
        ("1/1", 10**12, "1000000/1M"),
        ("0/1M", 0, "0/1M"),
    ],
)
def test_a_price(written: str, price: int, again: str) -> None:
    assert parse_price(written) == price
    assert format_price(price) == again


@given(st.integers(0, 10**15))
def test_money_and_prices_come_back(micros: int) -> None:
    assert parse_money(format_money(micros)) == micros
    assert parse_price(format_price(micros)) == micros


def test_a_price_and_a_policy_of_a_model() -> None:
    (found,) = load(MODEL + "price: {input: 0.15/1M, output: 0.60/1M}\nrouting: {policy: round_robin}\n", "f", "/")
    assert isinstance(found, Model)
    assert found.price == Price(input=150_000, output=600_000)
    assert found.routing == Routing(policy="round_robin")
    assert Model.model_validate(found.model_dump(mode="json")) == found
    (plain,) = load(MODEL, "f", "/")
    assert isinstance(plain, Model)
    assert (plain.price, plain.routing.policy) == (None, "predicted_latency")


def test_models_and_tenants_stand_in_any_order() -> None:
    found = load(f"{HEAD}---\n{MODEL}---\nkind: Tenant\nname: other\n", "f", "/")
    assert [(each.kind, each.name) for each in found] == [
        ("Tenant", "research"),
        ("Model", "chat"),
        ("Tenant", "other"),
    ]


def test_money_needs_a_price_at_every_model_that_may_be_used() -> None:
    hint = "write price: {input: 0.15/1M, output: 0.60/1M} in the Model chat, or a budget in tokens"
    assert faults(f"{HEAD}budget:\n  day: 50 USD\n---\n{MODEL}") == [
        f"4:8: budget.day: found 50 USD, but the Model chat has no price; {hint}"
    ]
    assert faults(f"{MODEL}---\n{HEAD}budget: {{month: 5}}\n") == [
        f"7:17: budget.month: found 5 USD, but the Model chat has no price; {hint}"
    ]
    two = MODEL.replace("chat", "deep")
    assert "the Model chat and 1 more has no price" in faults(f"{MODEL}---\n{two}---\n{HEAD}budget: {{day: 5}}\n")[0]
    for fine in ("budget: {day: 5M}", "models: [embed-*]\nbudget: {day: 5 USD}"):
        assert load(f"{MODEL}---\n{HEAD}{fine}\n", "f", "/")
    priced = MODEL + "price: {input: 0/1M}\n"
    assert load(f"{priced}---\n{HEAD}budget: {{day: 5 USD}}\n", "f", "/")


def test_a_tenant_and_a_model_have_different_names() -> None:
    text = f"{MODEL}---\nkind: Tenant\nname: chat\n"
    assert faults(text)[0].startswith("6:7: name: chat stands twice, first at f.yaml:2")


@pytest.mark.parametrize("line", WHOLE.strip().splitlines()[2:])
def test_what_loads_fits_the_schema(line: str) -> None:
    assert fits(json.loads(one(HEAD + line).model_dump_json(exclude_none=True, exclude_defaults=True)) | BASE, SCHEMA)


BASE: dict[str, Any] = {"kind": "Tenant", "name": "research"}


@pytest.mark.parametrize(
    "wrong",
    [
        *({"limits": {"rpm": 0}}, {"limits": {"rpm": "x"}}, {"models": []}, {"weight": 0}, {"priority": "x"}),
        *({"budget": {"day": "5 EUR"}}, {"data": {"log": "all"}}, {"models": ["My Model"]}, {"source": "org/name"}),
    ],
)
def test_what_is_wrong_does_not_fit(wrong: dict[str, Any]) -> None:
    assert fits(BASE, SCHEMA)
    assert not fits(BASE | wrong, SCHEMA)
    with pytest.raises(SpecError):
        tenant_from_json(BASE | wrong)


PLACES = [("Tenant", ""), ("Limits", "limits"), ("Budget", "budget"), ("Data", "data"), ("Quota", "quota")]


@pytest.mark.parametrize(
    ("place", "field", "example"),
    [
        (place, field, example)
        for place, prefix in PLACES
        for field, part in SCHEMA["$defs"][place]["properties"].items()
        for example in part["examples"]
        if prefix or field != "kind"
    ],
)
def test_every_example_is_valid(place: str, field: str, example: Any) -> None:
    least = {"gpus": 8} if place == "Quota" else {}
    whole = BASE | ({field: example} if place == "Tenant" else {place.lower(): least | {field: example}})
    whole |= {"namespace": "research"} if "quota" in whole else {}  # a quota is of a namespace
    assert fits(whole, SCHEMA)
    assert load(json.dumps(whole), "f.yaml", "/")


AMOUNTS = st.builds(Allowance, st.integers(1, 10**14), st.sampled_from(["tokens", "micros"]))
TENANTS = st.builds(
    Tenant,
    name=st.just("a"),
    members=st.sampled_from([(), ("ana",)]),
    models=st.sampled_from([None, ("chat",), ("a-*", "b")]),
    limits=st.builds(Limits, rpm=st.none() | st.integers(1, 10**14), tpm=st.none() | st.integers(1, 10**14)),
    budget=st.builds(Budget, day=st.none() | AMOUNTS, month=st.none() | AMOUNTS),
    priority=st.sampled_from(["high", "normal", "low"]),
    weight=st.floats(0.01, 100),
)


@given(TENANTS)
def test_a_tenant_comes_back_from_json_and_from_a_file(tenant: Tenant) -> None:
    assert Tenant.model_validate_json(tenant.model_dump_json()) == tenant
    dumped = tenant.model_dump(mode="json", exclude_none=True)
    assert load(json.dumps(dumped), "f.yaml", "/") == [tenant]
    assert Tenant.model_validate(json.loads(json.dumps(dumped))) == tenant
