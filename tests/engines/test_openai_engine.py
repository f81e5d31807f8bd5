"""An external provider: its address is worked out when the file is applied, and its key is only ever named."""

from __future__ import annotations

import pytest

from headway.engines import registry
from headway.engines.base import External, Prepared, Slot
from headway.errors import EngineError, HeadwayError
from headway.spec.model import Model

KEY = {"OPENAI_API_KEY": "secret:openai/key"}


def external(source: str, **more: object) -> External:
    revision = registry.revise(Model(name="m", source=source, **more)).revision
    assert revision.engine == "openai"
    found = registry.get("openai").external(revision)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("source", "args", "base_url", "model"),
    [
        ("openai://gpt-4o-mini", {}, "https://api.openai.com", "gpt-4o-mini"),
        ("openai://gpt-4.1", {}, "https://api.openai.com", "gpt-4.1"),
        ("openai://org/model", {}, "https://api.openai.com", "org/model"),
        ("openai://api.example.com/model", {}, "https://api.example.com", "model"),
        ("openai://api.example.com/v1/model", {}, "https://api.example.com", "model"),
        ("openai://api.example.com:8443/a/b/model", {}, "https://api.example.com:8443/a/b", "model"),
        ("openai://127.0.0.1:9000/model", {}, "http://127.0.0.1:9000", "model"),
        ("openai://localhost:9000/model", {}, "http://localhost:9000", "model"),
        (
            "openai://org/model",
            {"base-url": "https://router.example.com/api/v1"},
            "https://router.example.com/api",
            "org/model",
        ),
        ("openai://model", {"base_url": "http://inner:8000/"}, "http://inner:8000", "model"),
    ],
)
def test_addresses(source: str, args: dict[str, str], base_url: str, model: str) -> None:
    assert external(source, args=args) == External(base_url, model)


def test_the_key_is_named() -> None:
    assert external("openai://gpt-4o-mini", env=KEY).key == "secret:openai/key"
    assert external("openai://127.0.0.1:9/m", env=KEY).key == "secret:openai/key"


@pytest.mark.parametrize(
    ("source", "more", "said"),
    [
        ("openai://m", {"args": {"base-url": "http://inner:8000"}, "env": KEY}, "the key would travel in the clear"),
        ("openai://m", {"args": {"base-url": "inner:8000"}}, "use http"),
        ("openai://m", {"args": {"base-url": "https://user:word@inner"}}, "use http"),
        ("openai://m", {"args": {"temperature": 1}}, "nothing is launched here"),
        ("openai://m", {"env": {"OTHER": "x"}}, "nothing is launched here"),
        ("openai://api.example.com/", {}, "names no model"),
        ("hf://a/b", {"engine": "openai"}, "does not serve hf://"),
    ],
)
def test_what_cannot_be(source: str, more: dict[str, object], said: str) -> None:
    with pytest.raises(HeadwayError) as caught:
        external(source, **more)
    assert said in str(caught.value)


def test_the_task_is_guessed_by_the_name() -> None:
    assert registry.revise(Model(name="m", source="openai://text-embedding-3-small")).revision.task == "embedding"
    assert registry.revise(Model(name="m", source="openai://gpt-4o-mini")).revision.task == "chat"
    assert registry.revise(Model(name="m", source="openai://x", task="completion")).derived == {
        "engine": "openai: somebody else serves it"
    }


def test_nothing_is_launched() -> None:
    engine = registry.get("openai")
    revision = registry.revise(Model(name="m", source="openai://gpt-4o-mini")).revision
    assert engine.prepare(revision, lambda _: None) == Prepared()
    assert engine.need(revision, Prepared()).memory_bytes == 0
    with pytest.raises(EngineError, match="somebody else"):
        engine.launch(revision, Prepared(), Slot("m-0", "127.0.0.1", 1, 1))
