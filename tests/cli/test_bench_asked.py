"""What `headway bench` was asked for: options over a preset or a file, and one clear line for what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headway.cli.bench_asked import Asked, parse_share, workload_asked
from headway.cli.bench_server import server_asked
from headway.errors import HeadwayError, SecretError, SpecError, UsageError

OWN = """\
kind: Workload
name: evening
model: chat
arrivals: {rate: 5/s, pattern: gamma, cv: 3}
for: 30s
prompt: 100..2000
output: 100
slo: {ttft: 500ms, itl: 50ms}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (path := tmp_path / "evening.yaml").write_text(OWN)
    return path


def asked(**given: Any) -> Any:
    return workload_asked(Asked(**given))


def test_a_preset_as_it_is() -> None:
    assert asked(workload="rag").name == "rag"


def test_options_lie_over_a_file(file: Path) -> None:
    found = asked(workload=str(file), rate="20/s", lasts="2m", slo="ttft=200ms", seed=7, model="other", warmup="5s")
    assert (found.arrivals.rate.mean, found.lasts, found.seed, found.model, found.warmup) == (20, 120, 7, "other", 5)
    assert (found.slo.ttft, found.slo.itl) == (0.2, 0.05), "a limit that was not given stays"
    assert (found.arrivals.pattern, found.arrivals.cv) == ("gamma", 3), "and so does the law of arrivals"


def test_a_plain_number_is_requests_a_second(file: Path) -> None:
    assert asked(workload=str(file), rate="20").arrivals.rate.mean == 20


def test_another_pattern_drops_the_cv(file: Path) -> None:
    found = asked(workload=str(file), pattern="constant").arrivals
    assert (found.pattern, found.cv, found.rate.mean) == ("constant", None, 5)


def test_callers_in_place_of_a_rate(file: Path) -> None:
    found = asked(workload=str(file), concurrency=8, requests=100)
    assert (found.arrivals.concurrency, found.requests, found.lasts) == (8, 100, None)


def test_stages_give_way_to_a_rate(tmp_path: Path) -> None:
    (path := tmp_path / "w.yaml").write_text(
        "kind: Workload\nname: w\nprompt: 10\noutput: 10\n"
        "arrivals: {stages: [{rate: 5/s, for: 10s}, {rate: 9/s, for: 10s}]}\n"
    )
    assert asked(workload=str(path), rate="3/s", lasts="5s").arrivals.rate.mean == 3


def test_a_trace_brings_its_own_times(tmp_path: Path, file: Path) -> None:
    (trace := tmp_path / "Azure 2023.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    found = asked(workload=str(file), trace=trace, speed="20x")
    assert (found.name, found.trace.file, found.trace.speed) == ("azure-2023", str(trace), 20)
    assert found.slo.ttft == 0.5
    assert found.prompt is None


def test_limits_count_for_every_part_of_a_mix(tmp_path: Path) -> None:
    (path := tmp_path / "w.yaml").write_text(
        "kind: Workload\nname: w\narrivals: {rate: 1/s}\noutput: 10\nprompt: 10\n"
        "mix: [{weight: 9, slo: {ttft: 1s, itl: 20ms}}, {weight: 1, model: big}]\n"
    )
    parts = asked(workload=str(path), slo="ttft=300ms").parts
    assert [(part.slo.ttft, part.slo.itl) for part in parts] == [(0.3, 0.02), (0.3, None)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"workload": "chta"}, "--workload: no preset 'chta'; did you mean chat?"),
        ({"workload": "nothing-like-it"}, "a file, or one of chat, rag"),
        ({"rate": "fast"}, "--rate: found 'fast'"),
        ({"rate": "20/s", "concurrency": 3}, "--rate and --concurrency; give one"),
        ({"lasts": "10s", "requests": 3}, "--for and --requests; give one"),
        ({"lasts": "10"}, "--for: found '10', which has no unit"),
        ({"slo": "tttf=3s"}, "--slo: found 'tttf=3s'; write limits like ttft=200ms"),
        ({"slo": "ttft=soon"}, "--slo: found 'soon'"),
        ({"speed": "3x"}, "--speed without --trace"),
        ({"pattern": "random"}, "--pattern: found 'random'"),
    ],
)
def test_what_cannot_be_is_told_in_the_options_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        asked(**given)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: Workload\nname: w\narrivals: {rte: 5/s}\n", ":3:12: "),
        ("kind: Model\nname: m\nsource: builtin://smollm2-135m-instruct\n", "holds no Workload"),
        (OWN + "---\n" + OWN.replace("evening", "morning"), "several Workloads: evening, morning"),
        ("kind: Workload\nname: [", ":2"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_name_and_line(tmp_path: Path, text: str, told: str) -> None:
    (path := tmp_path / "w.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        asked(workload=str(path))
    assert str(path) in str(error.value)
    assert told in str(error.value)


def test_a_trace_given_as_a_workload_is_told_so(tmp_path: Path) -> None:
    (path := tmp_path / "azure.csv").write_text("x")
    with pytest.raises(UsageError, match="--trace FILE"):
        asked(workload=str(path))


@pytest.mark.parametrize(("text", "share"), [("95%", 0.95), ("99.9 %", 0.999), ("0.9", 0.9)])
def test_shares(text: str, share: float) -> None:
    assert parse_share(text, "--at-least") == pytest.approx(share)


@pytest.mark.parametrize("text", ["100%", "5%", "all", "-3%", ""])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--at-least"):
        parse_share(text, "--at-least")


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEADWAY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert server_asked("127.0.0.1:8000", []).url == "http://127.0.0.1:8000"
    assert server_asked("https://gpu.example/v1/", []).url == "https://gpu.example/v1"
    assert server_asked("localhost", []).url == "http://localhost"
    for wrong in ("ftp://x", "http://", "http://h:port", "http://h/?q=1"):
        with pytest.raises(UsageError, match="no address of a server"):
            server_asked(wrong, [])


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(UsageError) as error:
        server_asked("http://me:hunter2@host:80", [])
    assert "hunter2" not in str(error.value)


def test_keys_by_tenant_from_a_secret_and_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_SECRET_BENCH_GOLD", "hw-gold")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env==")
    server = server_asked("http://h:1", ["gold=secret:bench/gold"])
    assert server.keys == {"gold": "hw-gold", "": "sk-env=="}
    assert "hw-gold" not in repr(server)
    assert server_asked("http://h:1", ["abc=="]).keys == {"": "abc=="}, "a key may end in ="
    with pytest.raises(SecretError):
        server_asked("http://h:1", ["gold=secret:bench/none"])
    for keys in (["a", "b"], ["gold=a", "gold=b"]):
        with pytest.raises(UsageError, match="two keys"):
            server_asked("http://h:1", keys)


def test_a_key_that_no_header_can_have_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HeadwayError) as error:
        server_asked("http://h:1", ["sécret"])
    assert "sécret" not in str(error.value)
