"""The JSON Schema and the page made from it: all that loads fits, every field is told of, every example is valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from headway.errors import SpecError
from headway.spec.app import App, AppProfile
from headway.spec.cache import Cache, EmbeddingCache, ResponseCache
from headway.spec.check import from_json
from headway.spec.deadlines import Deadlines
from headway.spec.document import API_VERSION
from headway.spec.length import Length
from headway.spec.load import load
from headway.spec.model import Model, Price, Profile, Routing, Slo, Variant
from headway.spec.pause import Pause
from headway.spec.reference import render
from headway.spec.route import Fallback, Match, Route, Shadow, Target
from headway.spec.schema import json_schema
from headway.spec.share import Quota
from headway.spec.site import GpuPrice, Site, Spot, SpotPrice, Stock
from headway.spec.strict import written_fields
from headway.spec.tenant import Budget, Data, Limits, Tenant
from headway.spec.workload import (
    Arrivals,
    ArrivalStage,
    Cancel,
    Objectives,
    Part,
    Prefix,
    Sessions,
    TraceFile,
    Workload,
)
from tests.support.spec import fits

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA = json_schema()
PARTS = SCHEMA["$defs"]
OF_ROUTES = ("Route", "Target", "Match", "Fallback", "Shadow")
OF_WORKLOADS = (
    "Workload",
    "Arrivals",
    "ArrivalStage",
    "Prefix",
    "Sessions",
    "Cancel",
    "Objectives",
    "Part",
    "TraceFile",
)
OF_APPS = ("App", "AppProfile")
OF_SITES = ("Site", "Stock", "Spot", "GpuPrice", "SpotPrice")
OF_MODELS = ("Model", "Slo", "Price", "Routing", "Profile", "Variant")
CLOSED = (*OF_MODELS, "Tenant", "Limits", "Budget", "Data", *OF_ROUTES, *OF_WORKLOADS, *OF_SITES, *OF_APPS)
OBJECTS = ("ModelObject", "TenantObject", "RouteObject", "AppObject", "WorkloadObject", "SiteObject")
SMALLEST = {"kind": "Model", "name": "chat", "source": "org/name"}
FIELDS = [(name, field, part) for name in (*CLOSED, *OBJECTS) for field, part in PARTS[name]["properties"].items()]
BOTH = ["source: ./m.gguf", "source: org/name@main", "replicas: 0..8", "replicas: 3", 'replicas: "3"', "gpu: 0.5",
        "gpu: H100:2", "gpu: RTX 4090", "gpu: 24GB..", "gpu: mig-1g.10gb", "cpu: 2", "cpu: 500m", "memory: 1.5GiB",
        "memory: 16Gi", "memory: 7B", "slo: {ttft: 1h30m, itl: 50ms}", "price: {input: 0/1k}",
        "price: {input: 0.15/1M, output: 0.6 USD / 1M}", "routing: {policy: power_of_two}",
        "args: {a: [1, x], b: true, c: null, d: 1.5}",
        "env: {A: x, HF_TOKEN: secret:hf/token}", "task: embedding", "engine: vllm",
        "profiles: {local: {gpu: cpu, replicas: 0..2}, 'gke_p_z_c': {env: {A: b}}}"]  # fmt: skip
NEITHER = ["replica: 1", "idle: 10m", "source: ftp://x", "replicas: 1.5", "replicas: many", "replicas: -1", "gpu: atuo",
           "gpu: 24GB", "gpu: 0", "cpu: lots", "memory: 24", "memory: 24gb", "slo: {ttft: 500}", "slo: {x: 1s}",
           "price: {output: 1/1M}", "price: 0.15/1M", "price: {input: 0.15}", "routing: {policy: random}",
           "args: {--a: 1}", "args: {a: {b: 1}}", "args: {a: [[1]]}", "env: {A: 1}", "env: {1A: x}",
           "env: {A: secret:hf}", "task: chatt", "engine: x", "name: My Chat", "kind: Route",
           "profiles: {local: {bogus: 1}}", "profiles: {'a b': {}}", "metadata: {name: x}"]  # fmt: skip


def document(line: str) -> dict[str, Any]:
    return {**SMALLEST, **YAML(typ="safe", pure=True).load(line)}


def loads(line: str) -> bool:
    keep = [f"{key}: {value}" for key, value in SMALLEST.items() if not line.startswith(f"{key}:")]
    try:
        load("\n".join([*keep, line]), "f.yaml", "/")
    except SpecError:
        return False
    return True


@pytest.mark.parametrize("line", BOTH)
def test_what_loads_fits(line: str) -> None:
    assert loads(line)
    assert fits(document(line), SCHEMA)


@pytest.mark.parametrize("line", NEITHER)
def test_what_is_wrong_neither_loads_nor_fits(line: str) -> None:
    assert not loads(line)
    assert not fits(document(line), SCHEMA)


def test_the_kubernetes_form_fits() -> None:
    whole = {"apiVersion": API_VERSION, "kind": "Model", "metadata": {"name": "chat"}, "spec": {"source": "org/name"}}
    assert fits(whole, SCHEMA)
    assert fits({**whole, "status": {"ready": 1}, "metadata": {"name": "chat", "labels": {"a": "b"}}}, SCHEMA)
    for wrong in ({"apiVersion": "v1"}, {"metadata": {}}, {"metadata": {"nam": "x"}}, {"spec": {}}, {"gpu": "auto"}):
        assert not fits({**whole, **wrong}, SCHEMA)
    assert not fits({**whole, "spec": {"source": "org/name", "name": "chat"}}, SCHEMA)


@pytest.mark.parametrize(
    "path", sorted([*EXAMPLES.glob("*.yaml"), *(EXAMPLES / "plan").glob("*.yaml")]), ids=lambda path: path.name
)
def test_the_examples_fit(path: Path) -> None:
    documents = list(YAML(typ="safe", pure=True).load_all(path.read_text()))
    assert documents
    assert all(fits(each, SCHEMA) for each in documents)


@pytest.mark.parametrize(("place", "field", "part"), FIELDS, ids=lambda each: each if isinstance(each, str) else "")
def test_every_field_has_title_and_words(place: str, field: str, part: dict[str, Any]) -> None:
    assert part["title"]
    assert part["description"].endswith(".")
    kubernetes_own = place.endswith("Object") and field == "status"
    assert kubernetes_own or part["examples"]


@pytest.mark.parametrize(
    ("field", "example"),
    [(field, example) for place, field, part in FIELDS if place == "Model" for example in part["examples"]],
)
def test_every_example_is_valid(field: str, example: Any) -> None:
    whole = {**SMALLEST, field: example}
    assert fits(whole, SCHEMA)
    if field != "source" or "./" not in example:
        assert from_json(whole).name == "chat"
    assert load(json.dumps(whole), "f.yaml", "/")


def test_numbers_say_their_unit() -> None:
    for name in ("replicas", "gpu", "cpu", "memory"):
        assert PARTS["Model"]["properties"][name]["x-unit"]
    assert all(part["x-unit"].startswith("duration") for part in PARTS["Slo"]["properties"].values())


def test_the_schema_is_closed_and_standard() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [each["$ref"] for each in SCHEMA["anyOf"]] == [
        f"#/$defs/{each}"
        for kind in ("Model", "Tenant", "Route", "App", "Workload", "Site")
        for each in (kind, f"{kind}Object")
    ]
    for name in (*CLOSED, *OBJECTS):
        assert PARTS[name]["additionalProperties"] is False
    assert '"null"' not in repr(PARTS["Model"]["properties"]["gpu"])


def test_the_page_tells_of_every_field() -> None:
    page = render()
    told = re.findall(r"^\| `([\w.-]+)` \|", page, re.MULTILINE)
    wanted = [
        ("", Model),
        ("slo.", Slo),
        ("price.", Price),
        ("routing.", Routing),
        ("cache.", Cache),
        ("cache.responses.", ResponseCache),
        ("cache.embeddings.", EmbeddingCache),
        ("deadlines.", Deadlines),
        ("profiles.SITE.", Profile),
        ("variants.", Variant),
        ("", Tenant),
        ("limits.", Limits),
        ("budget.", Budget),
        ("data.", Data),
        ("quota.", Quota),
        ("", Route),
        ("to.", Target),
        ("match.", Match),
        ("fallback.", Fallback),
        ("shadow.", Shadow),
        ("", App),
        ("profiles.SITE.", AppProfile),
        ("", Workload),
        ("arrivals.", Arrivals),
        ("arrivals.stages.", ArrivalStage),
        ("prompt.", Length),
        ("prefix.", Prefix),
        ("sessions.", Sessions),
        ("sessions.think.", Pause),
        ("cancel.", Cancel),
        ("slo.", Objectives),
        ("mix.", Part),
        ("trace.", TraceFile),
        ("", Site),
        ("prices.", GpuPrice),
        ("prices.spot.", SpotPrice),
        ("inventory.", Stock),
        ("inventory.spot.", Spot),
    ]
    assert told == [f"{prefix}{field}" for prefix, kind in wanted for field in written_fields(kind)]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(line.count(" | ") == 5 for line in rows), "six cells in each"
    assert "| `name` | text |  | required | `chat` |" in page


WORKLOAD = {"kind": "Workload", "name": "w", "arrivals": {"rate": "1/s"}, "prompt": 5, "output": 5}
REPLAY = {"kind": "Workload", "name": "w", "trace": {"file": "./azure.csv"}}


@pytest.mark.parametrize(
    ("place", "field", "example"),
    [(place, field, example) for place, field, part in FIELDS if place in OF_WORKLOADS for example in part["examples"]]
    + [("Length", field, 5) for field in ("min", "max")],
)
def test_every_example_of_a_workload_is_valid(place: str, field: str, example: Any) -> None:
    """Each within the smallest Workload that can have it."""
    within: dict[str, Any] = {
        "Workload": (REPLAY if field == "trace" else WORKLOAD) | {field: example},
        "Arrivals": WORKLOAD | {"arrivals": _arrivals(field, example)},
        "ArrivalStage": WORKLOAD | {"arrivals": {"stages": [_stage(field, example)]}},
        "Prefix": WORKLOAD | {"prefix": {"tokens": 5} | {field: example}},
        "Sessions": WORKLOAD | {"sessions": {"turns": 2} | {field: example}},
        "Cancel": WORKLOAD | {"cancel": {"share": "5%"} | {field: example}},
        "Objectives": WORKLOAD | {"slo": {field: example}},
        "Part": WORKLOAD | {"mix": [{field: example}]},
        "TraceFile": REPLAY | {"trace": {"file": "./a.csv"} | {field: example}},
        "Length": WORKLOAD | {"prompt": {"min": 5, "max": 5}},
    }[place]
    if example == "embedding" and place == "Workload":
        within.pop("output")
    assert fits(within, SCHEMA)
    assert load(json.dumps(within), "f.yaml", "/")


@pytest.mark.parametrize(
    ("place", "field", "example"),
    [(place, field, example) for place, field, part in FIELDS if place in OF_SITES for example in part["examples"]],
)
def test_every_example_of_a_site_is_valid(place: str, field: str, example: Any) -> None:
    stock = {"gpu": "H100-SXM", "count": 8, "price": "2.5/h"}
    spot = {"price": "1.1/h", "preemptions": "0.05/h"}
    within: dict[str, Any] = {
        "Site": ({"context": "kind-kind"} if field == "prices" else {"inventory": [stock]}) | {field: example},
        "GpuPrice": {"context": "kind-kind", "prices": [{"gpu": "L4", "price": "1/h"} | {field: example}]},
        "SpotPrice": {
            "context": "kind-kind",
            "prices": [{"gpu": "L4", "price": "1/h", "spot": spot | {field: example}}],
        },
        "Stock": {"inventory": [stock | {field: example}], "currency": "EUR" if "EUR" in str(example) else "USD"},
        "Spot": {"inventory": [stock | {"spot": spot | {field: example}}]},
    }[place]
    whole = {"kind": "Site", "name": "s"} | within
    assert fits(whole, SCHEMA)
    assert load(json.dumps(whole), "f.yaml", "/")


@pytest.mark.parametrize(
    ("place", "field", "example"),
    [(place, field, example) for place, field, part in FIELDS if place in OF_APPS for example in part["examples"]],
)
def test_every_example_of_an_app_is_valid(place: str, field: str, example: Any) -> None:
    within = {field: example} if place == "App" else {"profiles": {"local": {field: example}}}
    whole = {"kind": "App", "name": "a", "command": ["python", "app.py"]} | within
    assert fits(whole, SCHEMA)
    assert load(json.dumps(whole), "f.yaml", "/")


def _arrivals(field: str, example: Any) -> dict[str, Any]:
    if field in ("rate", "concurrency", "stages"):
        return {field: example}
    more = {"pattern": "gamma", "cv": 2} if "gamma" in (example, field) or field == "cv" else {}
    return {"rate": "1/s"} | more | {field: example}


def _stage(field: str, example: Any) -> dict[str, Any]:
    rate = {} if field == "concurrency" else {"rate": "1/s"}
    return rate | {"for": "1m"} | {field: example}
