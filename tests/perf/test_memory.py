"""Memory by arithmetic: known models, and the direction of every term."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.perf.memory import BYTES_PER_VALUE, Part, explain, kv_cache, llama_overhead, total


@pytest.mark.parametrize(
    ("layers", "heads", "width", "tokens", "size"),
    [
        (30, 3, 64, 16384, 377_487_360),  # SmolLM2-135M: llama-server's own report is 360 MiB
        (32, 8, 128, 1, 131_072),  # Llama-3-8B: the well-known 128 KiB for a token
        (80, 8, 128, 1, 327_680),  # Llama-3-70B: 320 KiB
        (32, 32, 128, 1, 524_288),  # Llama-2-7B, no grouped queries: 512 KiB
    ],
)
def test_known_models(layers: int, heads: int, width: int, tokens: int, size: int) -> None:
    assert kv_cache(kv_heads=layers * heads, key_length=width, value_length=width, tokens=tokens) == size


def test_quantised_values_are_smaller() -> None:
    shape = {"kv_heads": 90, "key_length": 64, "value_length": 64, "tokens": 1000}
    q8 = kv_cache(**shape, key_bytes=BYTES_PER_VALUE["q8_0"], value_bytes=BYTES_PER_VALUE["q8_0"])
    assert q8 / kv_cache(**shape) == pytest.approx(8.5 / 16)


@given(st.integers(1, 10**6), st.integers(1, 10**5), st.integers(1, 4096))
def test_overhead_grows_with_each_of_its_terms(vocabulary: int, embedding: int, batch: int) -> None:
    here = llama_overhead(vocabulary=vocabulary, embedding=embedding, batch=batch)
    assert here < llama_overhead(vocabulary=vocabulary + 1, embedding=embedding, batch=batch)
    assert here < llama_overhead(vocabulary=vocabulary, embedding=embedding + 1, batch=batch)
    assert here < llama_overhead(vocabulary=vocabulary, embedding=embedding, batch=batch + 1)


def test_overhead_covers_what_was_measured() -> None:
    assert llama_overhead(vocabulary=49_152, embedding=576) > 36e6
    assert llama_overhead(vocabulary=262_144, embedding=640) > 160e6


def test_it_is_explained_largest_first() -> None:
    parts = [Part("small", 100_000), Part("weights", 98_000_000), Part("KV cache", 377_000_000)]
    assert total(parts) == 475_100_000
    assert explain(parts) == "377 MB KV cache + 98 MB weights"
