"""What /metrics says: that of all workers, of tenants, of engines, within bounds; and that dashboards name what is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from headway.engines.signals import Signals
from headway.gateway.counts import Counts, add_up
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.families import LABELS_MAX
from headway.gateway.hub.metrics import scrape
from headway.gateway.record import Attempt, Charge, Record, Wait
from headway.gateway.table import Endpoint, ModelRoute, TenantRule, TokenPrice
from headway.gateway.tally import MODELS_MAX, PAIRS_MAX, Tally
from headway.policy.budget import Limit
from headway.sites.kubernetes import export
from headway.store.treasury import Standing
from tests.gateway.conftest import Start
from tests.support.gateway import (
    GatewayProcess,
    ask,
    endpoint,
    eventually,
    key_for,
    route,
    sends,
    streams,
)
from tests.support.mock_engine import engines

ACME, ACME_KEY = key_for("acme")
_USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}
USAGE = b"data: " + json.dumps({"choices": [], "usage": _USAGE}).encode() + b"\n\n"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return found[f"headway_gateway_{name}", tuple(sorted(labels.items()))]


async def scraped(port: int, query: str = "") -> Samples:
    return samples((await ask(port, f"/metrics{query}", "GET")).body.decode())


@pytest.fixture
async def live(tmp_path: Path, engine: Start) -> AsyncIterator[GatewayProcess]:
    dies, works = await engine(sends(then="reset")), await engine(streams("a", "b", tail=USAGE))
    started = GatewayProcess(
        tmp_path,
        route(
            endpoint(dies.url, "chat-0"),
            endpoint(works.url, "chat-1"),
            policy="round_robin",
            price=TokenPrice(1_000_000, 500_000, 2_000_000),
        ),
        workers=2,
        tenants=(TenantRule("acme", rpm=6, day_micros=50_000_000),),
        keys=(ACME_KEY,),
    )
    yield started
    started.stop()


async def test_what_requests_and_tenants_did(live: GatewayProcess) -> None:
    statuses = []
    for _ in range(8):
        headers = [f"authorization: Bearer {ACME}"]
        statuses.append((await ask(live.port, stream=True, max_tokens=10, headers=headers)).status)
    assert statuses == [200] * 6 + [429] * 2
    found = await scraped(live.port)
    both = {"model": "chat", "operation": "chat"}
    for name in ("time_to_first_token_seconds", "time_per_output_token_seconds"):
        assert of(found, f"{name}_count", **both) == 6
    assert of(found, "inter_token_latency_seconds_count", **both) == 6 * 2, "three events with data in each stream"
    assert of(found, "queue_seconds_count", **both) == 8
    assert of(found, "tokens_total", **both, type="cached") == 6 * 8
    tenant = {"model": "chat", "tenant": "acme"}
    assert of(found, "tenant_requests_total", **tenant) == 8
    assert of(found, "tenant_tokens_total", **tenant, type="output") == 6 * 5
    assert of(found, "tenant_cost_total", **tenant) == pytest.approx(6 * (12 + 4 + 10) / 1e6)
    assert of(found, "errors_total", tenant="acme", code="rate_limit_exceeded") == 2
    lost = of(found, "attempts_failed_total", reason="reset")
    assert lost > 0
    assert of(found, "retries_total", model="chat") == lost
    decisions = [of(found, "decisions_total", model="chat", reason=why) for why in ("in_turn", "only_one")]
    assert sum(decisions) == 6 + lost
    assert of(found, "limit", tenant="acme", limit="rpm") == 6
    assert of(found, "limit_left", tenant="acme", limit="rpm") < 1
    assert of(found, "limit", tenant="acme", limit="day_money") == 50
    assert of(found, "endpoint_info", model="chat", replica="chat-0", revision="r1") == 1
    assert of(found, "model_endpoints", model="chat") == 2
    assert of(found, "line_length", model="chat") == 0
    assert of(found, "endpoint_healthy", replica="chat-1") == 1
    assert of(found, "workers") == 2

    async def looked() -> bool:
        return of(await scraped(live.port), "event_loop_lag_seconds_count") > 1

    await eventually(looked)

    async def logged() -> bool:
        return of(await scraped(live.port), "requests_logged_total") == 8

    await eventually(logged)


async def test_what_engines_say_of_themselves(tmp_path: Path) -> None:
    async with engines() as mock:
        live = GatewayProcess(tmp_path, route(endpoint(mock.url), name="mock"))
        try:
            assert (
                await ask(live.port, model="mock", messages=[{"role": "user", "content": "x" * 4000}])
            ).status == 200

            async def told() -> bool:
                found = await scraped(live.port)
                name = ("headway_gateway_endpoint_prompt_tokens_total", (("replica", "chat-0"),))
                return found.get(name, 0) > 0

            await eventually(told)
            found = await scraped(live.port)
            assert 0 <= of(found, "endpoint_kv_used_ratio", replica="chat-0") <= 1
            for name in ("endpoint_engine_requests_running", "endpoint_engine_requests_waiting"):
                assert of(found, name, replica="chat-0") == 0
            assert of(found, "endpoint_cached_prompt_tokens_total", replica="chat-0") >= 0
            assert of(found, "index_blocks") > 0
        finally:
            live.stop()


async def test_llm_ds_names_on_request(live: GatewayProcess) -> None:
    assert (await ask(live.port, headers=[f"authorization: Bearer {ACME}"], stream=True, max_tokens=9)).status == 200
    assert not [name for name, _ in await scraped(live.port) if name.startswith("llm_d_")]
    found = await scraped(live.port, "?names=llm-d")
    model = (("model_name", "chat"), ("target_model_name", "chat"))
    assert found["llm_d_epp_request_total", model] == 1
    assert found["llm_d_epp_request_ttft_seconds_count", model] == 1
    assert found["llm_d_epp_ready_endpoints", (("name", "chat"),)] == 2


def ended(**more: Any) -> Record:
    given: dict[str, Any] = {"model": "chat", "status": 200, "duration": 1.0} | more
    return Record(0, "x", 0.0, "/v1/chat/completions", **given)


def test_labels_are_bounded() -> None:
    tally = Tally()
    for number in range(2 * PAIRS_MAX):
        charge = Charge("k", micros=1)
        tally.begin()
        record = ended(model=f"m{number}", tenant=f"t{number}", error="queue_full", status=503, charge=charge)
        tally.end(record, "chat", known=True)
    counts = Counts(series=list(tally.series.values()), used=list(tally.used.values()), errors=tally.errors)
    counts.endpoint_failures = {f"r{number}": 1 for number in range(2 * LABELS_MAX)}
    found = samples(scrape(add_up([counts, counts]), 2).decode())
    values: dict[str, set[str]] = {}
    for (name, labels), _ in found.items():
        for label, value in labels:
            values.setdefault(f"{name} {label}", set()).add(value)
    assert max(len(each) for each in values.values()) <= MODELS_MAX + 1
    assert of(found, "requests_total", model="other", operation="chat", status="503") == 2 * MODELS_MAX
    assert sum(value for (name, _), value in found.items() if name == "headway_gateway_tenant_requests_total") == 4000
    assert of(found, "endpoint_failures_total", replica="other") == 2 * LABELS_MAX


def test_a_model_that_is_not_in_the_table_is_no_label() -> None:
    tally = Tally()
    tally.begin()
    tally.end(ended(model="what somebody typed", status=404, error="model_not_found"), "chat", known=False)
    text = scrape(Counts(series=list(tally.series.values()), used=list(tally.used.values())), 1)
    assert b"somebody" not in text


DATA = Path(export.__file__).parent / "data"


def everything() -> set[str]:
    """Every sample name that there can be."""
    tally = Tally()
    tally.begin()
    attempts = [Attempt("e", 0.0, why="in_turn"), Attempt("e", 0.0, why="in_turn")]
    waits = [Wait("line", 0.0, 1.0)]
    record = ended(tenant="t", stream=True, ttft=0.1, completion_tokens=3, attempts=attempts, waits=waits, error="x")
    tally.end(record, "chat", known=True)
    tally.lost("reset")
    tally.refused(400)
    counts = Counts(
        series=list(tally.series.values()),
        used=list(tally.used.values()),
        errors=tally.errors,
        lost_by_reason=tally.lost_by_reason,
        refused_heads=tally.refused_heads,
        endpoint_failures={"r": 1},
        endpoint_running={"r": 1},
        endpoint_avoided={"r": 0},
        waiting={"chat": 1},
    )
    facts = Facts(
        models=(ModelRoute("chat", endpoints=(Endpoint("e", "r"),)),),
        engines={"e": Signals(1, 1, 0.5, 100, 10, 5, 5)},
        standing=(Standing("t", Limit.RPM, 10, 5),),
        spans={"exported": 1},
    )
    return {name for name, _ in samples(scrape(counts, 1, facts).decode())}


@pytest.mark.parametrize("file", ["gateway.json", "alerts.yaml"])
def test_every_metric_that_is_looked_at_is_there(file: str) -> None:
    text = (DATA / file).read_text()
    named = set(re.findall(r"\b(?:headway_gateway|process)_\w+", text))
    assert len(named) > 8
    assert named <= everything()


def test_the_dashboard_shows_every_metric() -> None:
    shown = (DATA / "gateway.json").read_text()
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", each) for each in everything()}
    assert {each for each in families if each.startswith("headway_") and each not in shown} == set()


def test_the_rules_are_rules() -> None:
    """Alerts say what to do, and look only at what is recorded; promtool, where there is one, has the last word."""
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "rules", DATA / "alerts.yaml"], check=True)
    groups = YAML(typ="safe").load((DATA / "alerts.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert set(re.findall(r"\bheadway:[\w:]+", rule["expr"])) <= recorded
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "action"}
    panels = json.loads((DATA / "gateway.json").read_text())["panels"]
    places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels]
    assert len(set(places)) == len(panels)
