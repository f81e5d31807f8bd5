"""Tenants apart inside engines: cache_salt, to those that know it, made of a key that callers do not have."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from headway.gateway.hub.saltkey import SaltKey
from headway.gateway.salt import salt_within, tenant_salt
from headway.gateway.table import TenantRule
from tests.gateway.conftest import Start
from tests.support.gateway import GatewayProcess, answers, ask, endpoint, key_for, route
from tests.support.mock_engine import engines

NAMES = ("acme", "other", "open", "open-too")
KEYS = {name: key_for(name) for name in NAMES}
TENANTS = tuple(TenantRule(name, isolated=not name.startswith("open")) for name in NAMES)


def started(folder: Path, *models: Any, **more: Any) -> GatewayProcess:
    return GatewayProcess(folder, *models, tenants=TENANTS, keys=tuple(entry for _, entry in KEYS.values()), **more)


def bearer(name: str) -> list[str]:
    return [f"authorization: Bearer {KEYS[name][0]}"]


async def test_what_one_tenant_has_cached_in_an_engine_another_does_not_find(tmp_path: Path) -> None:
    """By the engine's own count: the mock's prefix cache goes by cache_salt, as vLLM's does."""
    async with engines() as mock:
        told, silent = (
            endpoint(mock.url, f"{name}-0", upstream_model="mock", engine=name) for name in ("vllm", "llamacpp")
        )
        live = started(tmp_path, route(told, name="vllm"), route(silent, name="llamacpp"), workers=2)

        async def cached(tenant: str, model: str, text: str, **more: Any) -> int:
            messages = [{"role": "user", "content": text * 400}]
            answer = await ask(live.port, model=model, messages=messages, headers=bearer(tenant), max_tokens=2, **more)
            return int(answer.json["usage"]["prompt_tokens_details"]["cached_tokens"])

        try:
            assert await cached("acme", "vllm", "secret ") == 0
            assert await cached("acme", "vllm", "secret ") > 300, "its own it finds"
            assert await cached("other", "vllm", "secret ") == 0
            assert await cached("open", "vllm", "secret ") == 0
            assert await cached("open-too", "vllm", "secret ") > 300, "those who share do"
            assert await cached("acme", "vllm", "secret ", cache_salt="user 1") == 0
            assert await cached("acme", "vllm", "secret ", cache_salt="user 1") > 300
            assert await cached("acme", "vllm", "secret ", cache_salt="user 2") == 0
            assert await cached("other", "vllm", "secret ", cache_salt="user 1") == 0
            assert await cached("acme", "llamacpp", "told ") == 0
            assert await cached("other", "llamacpp", "told ") > 300, "as docs/tenants.md says of such engines"
        finally:
            live.stop()


async def test_the_field_goes_where_it_is_known_and_nowhere_else(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    kinds = ("vllm", "sglang", "llamacpp", "openai", "")
    models = [route(endpoint(one.url, f"{kind or 'none'}-0", engine=kind), name=kind or "none") for kind in kinds]
    embed = route(endpoint(one.url, "embed-0", engine="vllm"), name="embed", task="embedding")
    live = started(tmp_path, *models, embed)

    async def sent(tenant: str, path: str = "/v1/chat/completions", **call: Any) -> Any:
        call = {"messages": [{"role": "user", "content": "x"}]} | call
        answer = await ask(live.port, path, body=json.dumps(call).encode(), headers=bearer(tenant))
        assert answer.status == 200
        return one.asked[-1].json.get("cache_salt")

    try:
        salts = {kind: await sent("acme", model=kind or "none") for kind in kinds}
        assert salts["vllm"] == salts["sglang"]
        assert len(salts["vllm"]) == 64
        assert {salts[kind] for kind in ("llamacpp", "openai", "")} == {None}
        assert await sent("other", model="vllm") not in (None, salts["vllm"])
        assert await sent("open", model="vllm") is None
        assert await sent("open", model="vllm", cache_salt="mine") == "mine"
        assert await sent("acme", model="llamacpp", cache_salt="mine") == "mine"
        own = await sent("acme", model="vllm", cache_salt="mine")
        assert own not in (None, "mine", salts["vllm"])
        assert await sent("acme", "/v1/completions", model="vllm", prompt="x") == salts["vllm"]
        assert await sent("acme", "/v1/messages", model="vllm", max_tokens=9) == salts["vllm"]
        assert await sent("acme", "/v1/responses", model="vllm", input="x") == salts["vllm"]
        assert await sent("acme", "/v1/responses", model="vllm", input="x", cache_salt="mine") == own
        assert await sent("acme", "/v1/embeddings", model="embed", input="x") is None
        assert await sent("acme", "/v1/rerank", model="vllm", query="x") is None
        live.stop()
        live.log.unlink()
        again = started(tmp_path, *models)
        try:
            live = again
            assert await sent("acme", model="vllm") == salts["vllm"], "a new gateway finds what engines have cached"
        finally:
            again.stop()
    finally:
        live.stop()


def test_a_salt_is_nobody_elses_to_make() -> None:
    one, other = tenant_salt("acme", b"k" * 32), tenant_salt("acme", b"l" * 32)
    assert one != other
    assert one != tenant_salt("acme2", b"k" * 32)
    assert salt_within(one, None) == salt_within(one, "") == one
    assert salt_within(one, "mine") != salt_within(other, "mine")
    assert salt_within(one, other) != other


def test_the_key_lasts_and_is_for_nobody_else_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "g.salt"
    key = SaltKey(path).find("")
    assert SaltKey(path).find("") == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"torn")
    assert len(SaltKey(path).find("")) == 32
    monkeypatch.setenv("HEADWAY_SECRET_GATEWAY_SALT", "the same everywhere")
    one, other = (SaltKey(tmp_path / name).find("secret:gateway/salt") for name in "ab")
    assert one == other
    assert not (tmp_path / "a").exists()


def test_where_no_key_can_be_had_one_serves_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk, a secret that is missing: nobody is mixed with others for that."""
    for path, secret in ((tmp_path / "no" / "such", ""), (tmp_path / "a", "secret:not/there")):
        key = SaltKey(path)
        assert key.find(secret) == key.find(secret) != SaltKey(path).find(secret)
        assert "for this run alone" in caplog.text
