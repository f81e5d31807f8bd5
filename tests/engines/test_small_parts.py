"""Flags, the exposition format, child programs, stamps, and that nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from headway.engines import child, registry, stamps
from headway.engines.exposition import mean, samples, total
from headway.engines.flags import merge, to_flags
from headway.errors import Cancelled, UsageError
from headway.spec.model import EngineName
from tests.support.engines import Reports
from tests.support.processes import is_gone, named
from tests.support.running import eventually

HEAVY = ("numpy", "gguf", "huggingface_hub", "pip", "safetensors", "tqdm", "requests")


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, ()),
        ({"max_model_len": 16384}, ("--max-model-len", "16384")),
        ({"a": True, "b": False, "c": None}, ("--a",)),
        ({"lora": ["x", "y"]}, ("--lora", "x", "--lora", "y")),
        ({"--temp": 0.5}, ("--temp", "0.5")),
        ({"text": "with space; and $(shell)"}, ("--text", "with space; and $(shell)")),
    ],
)
def test_flags(settings: dict[str, object], flags: tuple[str, ...]) -> None:
    assert to_flags(settings) == flags


def test_the_users_flag_goes_over_ours_however_it_is_written() -> None:
    assert merge({"ctx-size": 1, "jinja": True}, {"ctx_size": 2}) == {"ctx-size": 2, "jinja": True}


def test_the_format_as_the_reference_client_writes_it() -> None:
    kept = CollectorRegistry()
    Gauge("app:running", "with: a colon", ["name"], registry=kept).labels('a "b" {c} d').set(2)
    Counter("app_tokens", "t", ["x"], registry=kept).labels("1").inc(3)
    Counter("app_other", "t", registry=kept).inc(1e9)
    Histogram("app_seconds", "h", registry=kept).observe(1)
    found = samples(generate_latest(kept).decode())
    assert total(found, "app:running") == 2
    assert total(found, "absent", "app_tokens_total") == 3
    assert total(found, "app_other_total") == 10**9
    assert mean(found, "app_seconds_sum") == 1
    assert not any(name.endswith("_bucket") for name in found)


def test_what_is_no_number_is_not_one() -> None:
    found = samples('a NaN\nb +Inf\nc 1 1700000000000\nd{x="}"} 4\ne\nf{ 1\ng one\n')
    assert [total(found, name) for name in "abcdefg"] == [None, None, 1, 4, None, None, None]


@given(st.text())
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert isinstance(samples(text), dict)


def test_a_child_is_heard_line_by_line() -> None:
    script = "import sys; print('one'); print('two\\rthree'); sys.stderr.write('four'); sys.exit(3)"
    lines: list[str] = []
    ended = child.run([sys.executable, "-c", script], on_line=lines.append)
    assert sorted(lines) == ["four", "one", "three", "two"]
    assert ended.code == 3
    assert sorted(ended.lines) == sorted(lines)


def test_a_child_that_hangs_is_ended_with_its_own_children() -> None:
    pids: list[int] = []
    with pytest.raises(child.TimedOut):
        child.run(["sh", "-c", "sleep 600 & echo $!; wait"], on_line=lambda line: pids.append(int(line)), deadline=1.0)
    assert eventually(lambda: is_gone(pids[0]))


def test_a_child_is_ended_when_its_listener_has_had_enough() -> None:
    def enough(line: str) -> None:
        raise Cancelled(line)

    with pytest.raises(Cancelled, match="first"):
        child.run(["sh", "-c", "trap '' TERM; echo first; sleep 600"], on_line=enough)
    assert eventually(lambda: not named(psutil.Process().children(recursive=True), "sleep"))


def test_a_child_that_closes_its_output_and_goes_on() -> None:
    ticks: list[int] = []
    ended = child.run(["sh", "-c", "exec >&- 2>&-; sleep 1"], on_line=lambda _: None, tick=lambda: ticks.append(1))
    assert ended.code == 0
    assert ticks


def test_a_digest_holds_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = stamps.digest(path, Reports())
    assert stamps.recall(path, "sha256") == first.removeprefix("sha256:")
    path.write_bytes(b"two")
    assert stamps.recall(path, "sha256") is None
    assert stamps.digest(path, Reports()) != first


def test_a_broken_stamp_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    stamps.remember(path, "sha256", "x")
    for stamp in (tmp_path / "cache/stamps").iterdir():
        stamp.write_text("[]")
    assert stamps.recall(path, "sha256") is None
    stamps.remember(path, "sha256", "y")
    assert stamps.recall(path, "sha256") == "y"


def test_every_engine_is_there_and_unknown_ones_are_named() -> None:
    assert set(registry.names()) == set(EngineName.__args__)
    for name in registry.names():
        engine = registry.get(name)
        assert engine.name == name
        assert engine.capabilities.tasks
        assert registry.get(name) is engine
    with pytest.raises(UsageError, match="use one of llamacpp"):
        registry.get("tensorrt")


@pytest.mark.parametrize("module", ["registry", "llamacpp", "embed", "vllm", "openai", "mock", "choice"])
def test_nothing_heavy_is_imported(module: str) -> None:
    code = f"import headway.engines.{module}, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
