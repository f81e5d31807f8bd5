"""The server's counters beside ours, and usage beside a tokenizer."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from headway.bench.facts import ServerSample
from headway.bench.measures import measured
from headway.bench.reconcile import findings
from headway.bench.record import Record
from headway.bench.schema import Finding
from headway.bench.summary import summarise
from headway.bench.tokenizer import token_findings
from headway.errors import SpecError, UsageError
from tests.support.bench_records import answer, facts, failed

RECORDS = [answer(n, n * 0.1, first=n * 0.1 + 0.5, gaps=[50_000] * 10, cached_tokens=10) for n in range(600)]
"""Each 1 s, so ten in flight; 50 tokens in, of which 10 cached, 11 out."""


def samples(others: int = 0, tokens: float = 1.0, hits: float = 0.2, restart: float = 99.0) -> list[ServerSample]:
    """What a vLLM that saw the same would say, with so many requests of somebody else."""
    found = []
    for second in range(0, 63):
        first = sum(0 < (each.first or 0) <= second for each in RECORDS)
        running = sum((each.sent or 0) < second < (each.ended or 0) for each in RECORDS)
        before = tokens if second < restart else 0.1
        values = {
            "vllm:num_requests_running": running + others,
            "vllm:num_requests_waiting": 0.0,
            "vllm:prompt_tokens_total": 1000 + 50 * first * before,
            "vllm:generation_tokens_total": 500 + 11 * first * before,
            "vllm:prefix_cache_queries_total": 50.0 * first,
            "vllm:prefix_cache_hits_total": 50.0 * first * hits,
        }
        found.append(ServerSample(float(second), values))
    return found


def told(server: list[ServerSample], records: list[Record] = RECORDS) -> dict[str, Finding]:
    return {each.code: each for each in findings(measured(records), facts(server=server))}


def test_two_witnesses_that_agree() -> None:
    found = told(samples())
    assert {code: each.agrees for code, each in found.items()} == {
        "in_flight": True, "prompt_tokens": True, "output_tokens": True, "prefix_cache": True
    }  # fmt: skip
    assert found["prompt_tokens"].client == 30_000
    assert "vLLM counted 30,000 prompt tokens, its answers' usage 30,000 (bound 650)" in found["prompt_tokens"].text


def test_somebody_else_uses_the_server() -> None:
    found = told(samples(others=5, tokens=1.4))
    assert found["in_flight"].agrees is False
    assert found["in_flight"].text.endswith("does somebody else use it?")
    assert found["output_tokens"].agrees is False


def test_only_a_part_of_the_server_was_read() -> None:
    assert "only a part of it?" in told(samples(tokens=0.5))["prompt_tokens"].text


def test_a_server_that_was_started_anew_has_counters_that_went_back() -> None:
    again = told(
        [*samples()[:2], ServerSample(62.0, {"vllm:num_requests_running": 0.0, "vllm:prompt_tokens_total": 7.0})]
    )
    assert again["prompt_tokens"].agrees is None
    assert "started anew" in again["prompt_tokens"].text


def test_a_cache_that_hits_more_or_less_than_usage_says() -> None:
    assert told(samples(hits=0.6))["prefix_cache"].agrees is False
    silent = [answer(n, n * 0.1, first=n * 0.1 + 0.5, gaps=[50_000] * 10) for n in range(600)]
    assert told(samples(), silent)["prefix_cache"].agrees is None


def test_tokens_that_nobody_told_of_loosen_the_bound() -> None:
    records = [
        failed(n, n * 0.1, ended=n * 0.1 + 1, planned_prompt=50, wanted_tokens=11) if n % 2 else RECORDS[n]
        for n in range(600)
    ]
    assert told(samples(), records)["prompt_tokens"].agrees is True


def test_metrics_that_nobody_knows_and_none_at_all() -> None:
    assert told([ServerSample(0.0, {"up": 1.0})])["unknown"].agrees is None
    assert findings(measured(RECORDS), facts()) == []


def test_what_does_not_agree_is_a_caution_of_the_verdict() -> None:
    summary = summarise(RECORDS, facts(60.0, 10.0, server=samples(others=5)))
    assert summary.verdict.word == "VALID"
    assert "does somebody else use it?" in summary.verdict.cautions[0]
    assert [each.code for each in summary.server] == ["in_flight", "prompt_tokens", "output_tokens", "prefix_cache"]


HAS_TOKENIZERS = pytest.mark.skipif(not importlib.util.find_spec("tokenizers"), reason="pip install 'headway[bench]'")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A tokenizer of whole words, as Hugging Face writes one."""
    vocabulary = {f"w{n}": n for n in range(100)} | {"?": 100}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "?"}
    parts = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"}, "model": model}
    (tmp_path / "tokenizer.json").write_text(json.dumps(parts))
    return tmp_path


def spoken(output: int, prompt: int) -> list[Record]:
    """Eight answers of 20 words to questions of 50."""
    text, question = " ".join(f"w{n}" for n in range(20)), " ".join(f"w{n}" for n in range(50))
    return [answer(n, text=text, prompt_text=question, output_tokens=output, prompt_tokens=prompt) for n in range(8)]


@HAS_TOKENIZERS
@pytest.mark.parametrize(
    ("output", "prompt", "agrees"),
    [
        (20, 50, [True, True]),
        (21, 70, [True, True]),
        (40, 50, [False, True]),
        (20, 400, [True, False]),
        (20, 20, [True, False]),
    ],
)
def test_usage_is_checked_with_a_tokenizer(words: Path, output: int, prompt: int, agrees: list[bool]) -> None:
    found = token_findings(spoken(output, prompt), words)
    assert [each.code for each in found] == ["output_tokenizer", "prompt_tokenizer"]
    assert [each.agrees for each in found] == agrees
    assert found[0].client == 160.0


@HAS_TOKENIZERS
def test_without_text_there_is_nothing_to_count(words: Path) -> None:
    assert token_findings([answer()], words / "tokenizer.json")[0].agrees is None


@HAS_TOKENIZERS
def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SpecError, match="no tokenizer"):
        token_findings(spoken(20, 50), tmp_path)


def test_without_the_library_it_is_one_line(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UsageError, match="needs the library tokenizers"):
        token_findings(spoken(20, 50), words)
