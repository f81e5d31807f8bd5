"""`cache` of a Model, and what a Tenant says of its answers: read, written, every fault told."""

from __future__ import annotations

import pytest

from headway.control.routes import cache_rules, tenant_rules
from headway.errors import SpecError
from headway.policy.caching import CacheRule, CacheRules
from headway.spec.cache import Cache, EmbeddingCache, ResponseCache
from headway.spec.load import load
from headway.spec.model import Model
from headway.spec.schema import json_schema
from headway.spec.tenant import Data, Tenant
from tests.support.spec import fits

HEAD = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
TENANT = "kind: Tenant\nname: acme\n"


def read(text: str) -> Model | Tenant:
    (found,) = load(text, "f.yaml", "/")
    return found


def model(cache: str) -> Model:
    found = read(f"{HEAD}cache: {cache}\n")
    assert isinstance(found, Model)
    return found


def test_all_defaults() -> None:
    assert model("{responses: {}}").cache == Cache(responses=ResponseCache())
    kept = ResponseCache()
    assert (kept.size, kept.ttl, kept.wait, kept.which, kept.shared) == (256_000_000, 3600, 10, "deterministic", False)
    assert EmbeddingCache().ttl == 86400
    nothing = read(HEAD)
    assert isinstance(nothing, Model)
    assert nothing.cache is None
    assert cache_rules(nothing.cache) is None


def test_every_field_is_read_and_written_again() -> None:
    whole = model(
        "{responses: {size: 1GB, ttl: 30m, wait: 0s, which: all, shared: true}, embeddings: {size: 2MB, ttl: 7d}}"
    )
    assert whole.cache == Cache(
        responses=ResponseCache(size=10**9, ttl=1800, wait=0, which="all", shared=True),
        embeddings=EmbeddingCache(size=2 * 10**6, ttl=7 * 86400),
    )
    written = whole.model_dump(mode="json")
    assert written["cache"]["responses"] == {"size": "1GB", "ttl": "30m", "wait": "0s", "which": "all", "shared": True}
    assert Model.model_validate(written) == whole
    assert fits(whole.model_dump(mode="json", exclude_none=True), json_schema())
    assert cache_rules(whole.cache) == CacheRules(
        CacheRule(10**9, 1800, 0, "all", True), CacheRule(2 * 10**6, 7 * 86400, 10)
    )


@pytest.mark.parametrize(
    ("cache", "fault"),
    [
        ("{}", "4:8: cache: says not what to keep; write cache: {responses: {}}, or leave it out"),
        ("5", "4:8: cache: found 5; write {responses: {size: 256MB, ttl: 1h}}"),
        ("{response: {}}", "4:9: cache.response: unknown field; did you mean responses?"),
        ("{responses: {size: 10kB}}", "4:27: cache.responses.size: found 10kB, which is too little; write 1MB or more"),
        ("{responses: {ttl: 91d}}", "4:26: cache.responses.ttl: found 91d; write 1s to 90d"),
        ("{responses: {ttl: 500ms}}", "4:26: cache.responses.ttl: found 500ms; write 1s to 90d"),
        ("{responses: {shared: 1}}", "4:29: cache.responses.shared: found 1; write true or false"),
        ("{responses: {which: every}}", "4:28: cache.responses.which: found 'every'; use one of deterministic, all"),
        ("{embeddings: {which: all}}", "4:22: cache.embeddings.which: unknown field"),
    ],
)
def test_every_fault_is_told(cache: str, fault: str) -> None:
    with pytest.raises(SpecError) as caught:
        model(cache)
    assert str(caught.value).startswith(f"f.yaml:{fault}")


@pytest.mark.parametrize(
    ("data", "cached"),
    [
        ("{}", "own"),
        ("{log: none}", "none"),
        ("{log: none, answers: own}", "own"),
        ("{answers: shared}", "shared"),
        ("{answers: none}", "none"),
    ],
)
def test_who_has_nothing_logged_has_nothing_kept_unless_it_says_so(data: str, cached: str) -> None:
    tenant = read(f"{TENANT}data: {data}\n")
    assert isinstance(tenant, Tenant)
    assert tenant.data.cached == cached
    assert tenant_rules([tenant])[0].answers == cached
    assert Tenant.model_validate(tenant.model_dump(mode="json")) == tenant
    assert Data().cached == "own"
