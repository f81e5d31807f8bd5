"""`headway simulate`: what a user sees, and what is told of what cannot be."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from headway.cli.simulate_run import Wanted, run
from headway.errors import HeadwayError, UsageError
from headway.perf.traffic.schedule import traffic
from headway.sim.fleet import Manners
from headway.sim.run import simulate
from headway.spec.workload import Workload
from headway.wire.traces import read_trace, trace_of
from tests.support.simulated import fleet
from tests.support.traces import shared_trace

MODEL = """
kind: Model
name: chat
source: hf://meta-llama/Llama-3.1-8B-Instruct
slo: {ttft: 500ms, itl: 50ms}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "chat.yaml"
    path.write_text(MODEL)
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return _azure(tmp_path / "trace.csv", 600)


def _azure(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for number in range(rows):
            at = number * 0.5
            hours, minutes, seconds = int(at // 3600), int(at // 60) % 60, at % 60
            file.write(f"2023-11-{16 + hours // 24:02d} {hours % 24:02d}:{minutes:02d}:{seconds:010.7f},"
                       f"{100 + number * 37 % 1900},{5 + number * 13 % 300}\n")  # fmt: skip
    return path


def _run(capsys: pytest.CaptureFixture[str], *, as_json: bool = False, out: Path | None = None,
         timeline: Path | None = None, chrome_trace: Path | None = None, **wanted: object) -> str:  # fmt: skip
    run(Wanted(**wanted), as_json=as_json, out=out, timeline=timeline, chrome_trace=chrome_trace)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_the_table_says_what_users_feel_and_what_it_costs(
    model: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _run(capsys, target=str(model), trace=trace, fleet="H100-SXM:2")
    assert "600 requests in" in told
    assert "H100-SXM, vllm, bf16" in told
    for word in ("TTFT", "TPOT", "ITL", "E2E", "600 finished", "inside the SLO", "replica-hours", "USD"):
        assert word in told


def test_the_same_seed_prints_the_same(model: Path, trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"target": str(model), "trace": trace, "fleet": "L4:6", "as_json": True, "faults": "death=1h"}
    first, again, other = (_run(capsys, **wanted, seed=seed) for seed in (4, 4, 5))  # type: ignore[arg-type]
    assert first == again
    assert first != other


def test_what_is_compared_stands_side_by_side(model: Path, trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = _run(capsys, target=str(model), trace=trace, fleet="H100:2", compare=("round_robin", "kpa", str(model)))
    head = next(line for line in told.splitlines() if "round_robin" in line)
    assert head.split() == ["chat.yaml", "round_robin", "kpa", "chat.yaml"]
    rows = {line[:14].strip(): line.split()[-4:] for line in told.splitlines()[2:]}
    assert rows["replica-hours"][0] == rows["replica-hours"][3]  # the same file again


def test_a_folder_has_figures_and_a_page_and_a_trace_opens_in_a_browser(
    model: Path, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(capsys, target=str(model), trace=trace, fleet="H100:2", out=tmp_path / "out", chrome_trace=tmp_path / "t.json")
    figures = json.loads((tmp_path / "out" / "simulation.json").read_text())
    assert figures["whole"]["requests"] == 600
    assert sum(figures["whole"]["ended"].values()) == 600
    page = (tmp_path / "out" / "timeline.html").read_text()
    assert "Time to first token" in page
    assert "http" not in page.replace("http-equiv", "")  # it asks for nothing
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert {each["name"] for each in events} >= {"process_name", "prefill", "decode"}
    spans = [each for each in events if each["ph"] == "X"]
    assert all(each["dur"] >= 0 for each in spans)
    assert len([each for each in spans if each["name"] == "decode" and each["tid"]]) == 600


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"fleet": "H999:8"}, "no accelerator 'H999' is known"),
        ({"fleet": "H100-SXM:0"}, "--fleet: found 'H100-SXM:0'"),
        ({}, "no accelerator is named"),
        ({"fleet": "H100:2", "policy": "round_robbin"}, "did you mean round_robin?"),
        ({"fleet": "H100:2", "scaler": "kpaa"}, "did you mean kpa?"),
        ({"fleet": "H100:2", "compare": ("leest_request",)}, "did you mean least_request?"),
        ({"fleet": "H100:2", "faults": "deaths=3h"}, "--faults: found 'deaths=3h'"),
        ({"fleet": "H100:2", "trace": Path("/nowhere.csv")}, "cannot be read"),
    ],
)
def test_what_cannot_be_is_said(
    model: Path, trace: Path, wanted: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(HeadwayError) as error:
        _run(capsys, **({"target": str(model), "trace": trace} | wanted))  # type: ignore[arg-type]
    assert said in str(error.value)


def test_a_model_without_a_shape_asks_for_its_config(
    tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("kind: Model\nname: own\nsource: hf://us/our-own-model\ngpu: H100\n")
    with pytest.raises(HeadwayError, match=r"give its config\.json"):
        _run(capsys, target=str(path), trace=trace)


def test_a_model_that_does_not_fit_says_by_how_much(
    tmp_path: Path, trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("kind: Model\nname: big\nsource: hf://meta-llama/Llama-3.1-70B-Instruct\ngpu: L4\n")
    with pytest.raises(HeadwayError, match="does not fit on 1 x L4"):
        _run(capsys, target=str(path), trace=trace)


def test_an_empty_and_an_unsorted_trace_are_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    with pytest.raises(UsageError, match="no request"):
        _run(capsys, target=str(model), trace=empty, fleet="H100:2")
    unsorted = _azure(tmp_path / "unsorted.csv", 5000)
    head, *rows = unsorted.read_text().splitlines()
    unsorted.write_text("\n".join([head, *rows[1:], rows[0]]) + "\n")
    with pytest.raises(HeadwayError, match=r"it goes back by .* sort the file by time"):
        _run(capsys, target=str(model), trace=unsorted, fleet="H100:8")


def test_a_long_trace_is_streamed_in_bounded_memory(tmp_path: Path) -> None:
    """Four times the requests take no more memory, but for what is kept exactly of the first values. (The gateway's
    prefix index is bounded, too, at some 25 MB: here it is smaller, or it would only be filled.)"""
    made = replace(fleet(4, prefix_cache=False), manners=Manners(index_blocks=1000))

    def most(rows: int) -> int:
        path = _azure(tmp_path / f"{rows}.csv", rows)
        data = {"kind": "Workload", "name": "w", "trace": {"file": str(path), "speed": 2}}
        workload = Workload.model_validate(data)
        tracemalloc.start()
        simulate(made, traffic(workload, trace_of(workload)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    short, long = most(500), most(2000)
    kept = 1500 * 5 * 8 * 4  # five values of each request more, as floats in lists that grow
    assert long < short + kept + 500_000


def test_every_format_that_others_record_can_be_simulated() -> None:
    path = shared_trace("mooncake_conversation.jsonl")
    workload = Workload.model_validate(
        {"kind": "Workload", "name": "w", "trace": {"file": str(path), "for": "3m"}, "context": 30_000}
    )
    assert read_trace(path).format == "mooncake"
    outcome = simulate(fleet(4), traffic(workload, trace_of(workload)))
    assert outcome.whole.ended["finished"] == outcome.whole.requests > 100
    assert outcome.whole.hits > 0.01
