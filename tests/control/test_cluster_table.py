"""What is known of a cluster -> what the gateway routes and admits by."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from headway.control.cluster.known import Seen
from headway.control.cluster.reading import Reading
from headway.control.cluster.single_writer import SingleWriter, gateways_of
from headway.control.cluster.table import Parts, parts_of
from headway.gateway.table import TenantRule
from headway.sites.kubernetes.endpoints import replicas_of
from headway.sites.kubernetes.keys import keys_in
from headway.sites.kubernetes.names import owners
from headway.wire.kube.manifest import Manifest
from tests.support.api_double import model, slice_of, tenant

NOW = 1_800_000_000.0


def stored(manifest: Manifest, age: int = 0, **more: Any) -> Manifest:
    """As an API server has it."""
    metadata = manifest["metadata"]
    of = {"uid": f"uid-{metadata['name']}", "generation": 1, "resourceVersion": "1"}
    of["creationTimestamp"] = f"2026-01-01T00:00:{age:02}Z"
    return manifest | {"metadata": {**of, **metadata}} | more


def parts(*models: Manifest, **seen: Any) -> Parts:
    return table(Reading("kubernetes"), Seen(models=models, **seen))


def table(reading: Reading, seen: Seen) -> Parts:
    wanted = reading.wanted(seen)
    return parts_of(wanted, replicas_of(seen.slices, wanted.namespaces), keys_in(seen.keys, wanted.uids), NOW)


def route(name: str, *to: str, namespace: str = "default") -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    spec = {"to": [{"model": each} for each in to]}
    return {"apiVersion": "headway.dev/v1alpha1", "kind": "Route", "metadata": metadata, "spec": spec}


def keys(**entries: Mapping[str, Any]) -> Manifest:
    data = {name: base64.b64encode(json.dumps(each).encode()).decode() for name, each in entries.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "headway-keys"}, "data": data}


def test_the_oldest_object_has_the_name_over_all_namespaces_and_both_kinds() -> None:
    young, old = stored(model("chat", "team-a"), 5), stored(model("chat", "team-b"), 1)
    road = stored(route("chat", "other", namespace="team-c"), 3)
    assert owners([young, old, road])["chat"].namespace == "team-b"
    found = parts(young, old, routes=(road,))
    assert [each.name for each in found.models] == ["chat"]
    assert found.routes == ()


def test_only_slices_beside_the_model_lead_requests() -> None:
    mine = stored(slice_of("chat", ("10.0.0.1", 8000), ("10.0.0.2", 8000)))
    foreign = stored(slice_of("chat", ("10.6.6.6", 8000), namespace="stranger"))
    found = parts(stored(model("chat")), slices=(mine, foreign))
    assert [each.url for each in found.models[0].endpoints] == ["http://10.0.0.1:8000", "http://10.0.0.2:8000"]
    assert [each.replica for each in found.models[0].endpoints] == ["chat-0", "chat-1"]
    assert found.models[0].endpoints[0].engine == "mock"


def test_a_pod_that_ends_or_is_not_ready_gets_nothing() -> None:
    ending = stored(slice_of("chat", ("10.0.0.1", 8000), ready=False, terminating=True))
    loading = stored(slice_of("chat", ("10.0.0.2", 8001), ready=False))
    found = parts(stored(model("chat")), slices=(ending, loading)).models[0]
    assert (found.endpoints, found.expected) == ((), True)
    assert [each.state for each in replicas_of([ending], {"chat": "default"})] == ["draining"]


def test_of_a_pod_with_two_addresses_one_is_used() -> None:
    four = stored(slice_of("chat", ("10.0.0.1", 8000)))
    six = stored(slice_of("chat", ("fd00::1", 8000)))
    six |= {"addressType": "IPv6", "metadata": six["metadata"] | {"name": "a-first-by-name"}}
    six["endpoints"] = [six["endpoints"][0] | {"targetRef": four["endpoints"][0]["targetRef"]}]
    assert [each.host for each in replicas_of([six, four], {"chat": "default"})] == ["10.0.0.1"]
    alone = parts(stored(model("chat")), slices=(six,))
    assert alone.models[0].endpoints[0].url == "http://[fd00::1]:8000"


def test_a_pod_made_anew_under_its_name_is_another_endpoint() -> None:
    first, second = (slice_of("chat", (host, 8000)) for host in ("10.0.0.1", "10.0.0.2"))
    ids = {parts(stored(model("chat")), slices=(stored(each),)).models[0].endpoints[0].id for each in (first, second)}
    assert len(ids) == 2


def test_a_model_that_cannot_be_read_leaves_the_others_alone(caplog: Any) -> None:
    wrong = stored(model("wrong", nonsense=True))
    reading, seen = Reading("kubernetes"), Seen(models=(wrong, stored(model("chat"))))
    for _ in range(3):
        assert [each.name for each in table(reading, seen).models] == ["chat"]
    assert len([each for each in caplog.messages if "Model default/wrong is left out" in each]) == 1


def test_scale_and_the_operators_words_reach_the_caller() -> None:
    off = parts(stored(model("chat", scale=0))).models[0]
    assert (off.reason, off.expected) == ("replicas: 0 is wanted", False)
    said = [
        {"type": "Ready", "status": "False", "reason": "NoSuchGpu", "message": "no node has an H100; add one"},
        {"type": "Progressing", "status": "False", "reason": "NoSuchGpu", "message": ""},
    ]
    lost = parts(stored(model("chat"), status={"conditions": said})).models[0]
    assert (lost.reason, lost.expected) == ("no node has an H100; add one", False)
    said[1]["status"] = "True"
    assert parts(stored(model("chat"), status={"conditions": said})).models[0].expected
    older = [each | {"observedGeneration": 0} for each in said]
    assert parts(stored(model("chat"), status={"conditions": older})).models[0].reason == "no replica yet"


def test_a_profile_of_the_site_is_laid_over() -> None:
    profiles = {"prod": {"replicas": 0}, "kubernetes": {"replicas": 2}}
    manifest = stored(model("chat", profiles=profiles))
    by_site = {site: table(Reading(site), Seen(models=(manifest,))).models[0].expected for site in ("prod", "stage")}
    assert by_site == {"prod": False, "stage": True}


def test_a_model_that_somebody_else_serves_has_an_endpoint_without_a_pod() -> None:
    env = {"OPENAI_API_KEY": "secret:openai/key"}
    found = parts(stored(model("gpt", source="openai://gpt-4o-mini", engine="openai", env=env))).models[0]
    assert [(each.url, each.upstream_model, each.key) for each in found.endpoints] == [
        ("https://api.openai.com", "gpt-4o-mini", "secret:openai/key")
    ]


def test_keys_are_of_the_tenant_object_that_is_there() -> None:
    acme = stored(tenant("acme", limits={"rpm": 60}))
    mine = {"sha256": "aa", "tenant": "acme", "of": "uid-acme", "created": NOW - 10}
    entries = {
        "good": mine,
        "scoped": mine | {"models": ["chat"], "expires": NOW + 60, "later": "a field of a newer Headway"},
        "revoked": mine | {"revoked": NOW - 1},
        "expired": mine | {"expires": NOW - 1},
        "before": mine | {"of": "uid of the acme before"},
        "nobodys": mine | {"tenant": "gone", "of": "uid-gone"},
    }
    secret = keys(**entries)
    secret["data"]["junk"] = "bm90IGpzb24="
    found = parts(tenants=(acme,), keys=secret)
    assert [(each.name, each.rpm) for each in found.tenants] == [("acme", 60)]
    assert {each.id for each in found.keys} == {"good", "scoped"}
    scoped = next(each for each in found.keys if each.id == "scoped")
    assert (scoped.models, scoped.expires) == (("chat",), NOW + 60)
    assert {each.id for each in keys_in(secret, {"acme": "uid-acme"})} == {"good", "scoped", "revoked", "expired"}
    assert parts(tenants=(acme,)).keys == ()


def test_a_status_that_is_written_anew_costs_no_reading(monkeypatch: Any) -> None:
    reading, read = Reading("kubernetes"), []
    real = Reading._model
    monkeypatch.setattr(Reading, "_model", lambda self, manifest: read.append(1) or real(self, manifest))
    first = stored(model("chat"))
    changed = first | {"metadata": first["metadata"] | {"generation": 2}}
    for each in (first, first | {"status": {"readyReplicas": 1}}, changed):
        table(reading, Seen(models=(each,)))
    assert len(read) == 2


def test_several_gateways_with_a_file_each_say_that_limits_count_for_each(caplog: Any) -> None:
    two = gateways_of([{"endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]}, {"endpoints": None}])
    rules = (TenantRule("free"), TenantRule("acme", day_tokens=1000), TenantRule("beta", rpm=60))
    alone = SingleWriter(shared=False)
    for gateways, tenants in ((1, rules), (two, rules[:1]), (two, rules), (two, rules)):
        alone.look(gateways, tenants)
    SingleWriter(shared=True).look(two, rules)
    assert [each.message.partition(";")[0] for each in caplog.records] == [
        "2 gateways run, and the ledger of each is a file: limits and budgets of acme, beta count for each of them"
    ]
