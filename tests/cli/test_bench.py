"""`headway bench` as people type it, against real mock engines: figures, files, and one clear line for what goes
wrong."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.bench.records import read_records
from tests.support.cli import FakeControl, Terminal
from tests.support.mock_engine import Engines, engines
from tests.support.ports import free_port
from tests.support.running import Headway, eventually
from tests.support.snapshots import a_model, a_snapshot

SHORT = """\
kind: Workload
name: short
arrivals: {rate: 40/s, pattern: constant}
for: 2s
warmup: 0s
prompt: 20
output: 4
slo: {ttft: 300ms}
"""
WITHIN = 90.0


@pytest.fixture
async def engine() -> AsyncIterator[Engines]:
    async with engines("--ttft", "0.02", "--itl", "0.002") as made:
        yield made


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    (path := tmp_path / "short.yaml").write_text(SHORT)
    return path


@pytest.fixture
def bench(headway: Headway, workload: Path, tmp_path: Path) -> Any:
    """Runs it in a folder of the test's own."""

    def run(*arguments: str, **more: Any) -> Any:
        return headway.run("bench", *arguments, timeout=WITHIN, cwd=tmp_path, **more)

    return run


def one_line(done: Any, code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return str(line)


def measured(stdout: str, code: int) -> bool:
    """It came to figures: VALID ones, or such as a machine that does much else at the time makes."""
    if code == 0:
        return stdout.startswith("VALID")
    return code == 4 and stdout.startswith(("INVALID: the generator", "INVALID: requests were sent late"))


async def test_figures_on_stdout_and_files_in_a_folder(
    engine: Engines, bench: Any, workload: Path, tmp_path: Path
) -> None:
    done = bench(engine.url, "--workload", str(workload), "--out", "run")
    assert measured(done.stdout, done.returncode), done.stdout + done.stderr
    assert re.search(r"^TTFT from due +\d+ ms", done.stdout, re.MULTILINE)
    assert "80 due   80 sent   80 answered   0 failed" in done.stdout
    assert f"short, 40/s (constant), 2 s, seed 1 -> {engine.url}" in done.stderr
    assert {each.name for each in (tmp_path / "run").iterdir()} == {
        "summary.json",
        "llm-d.json",
        "report.html",
        "records.jsonl",
    }
    assert json.loads((tmp_path / "run/summary.json").read_text())["whole"]["requests"]["answered"] == 80
    assert "hw-" not in done.stdout + done.stderr
    again = bench(engine.url, "--workload", str(workload), "--out", "run")
    assert "holds a run already" in one_line(again, 2)


async def test_json_is_the_summary_and_nothing_else(
    engine: Engines, bench: Any, workload: Path, tmp_path: Path
) -> None:
    done = bench(engine.url, "--workload", str(workload), "--json", "--out", "none", "--key", "hw-very-secret")
    assert json.loads(done.stdout)["whole"]["requests"]["answered"] == 80
    assert not list(tmp_path.glob("bench-*"))  # noqa: ASYNC240
    assert "hw-very-secret" not in done.stdout + done.stderr


async def test_without_a_target_it_asks_the_headway_of_this_machine(
    engine: Engines, bench: Any, workload: Path, control: FakeControl
) -> None:
    control.show(a_snapshot(a_model("mock"), gateway={"address": f"{engine.url}/v1"}))
    done = bench("--workload", str(workload), "--out", "none")
    assert measured(done.stdout, done.returncode), done.stderr
    assert "80 answered" in done.stdout
    other = bench("nobody", "--workload", str(workload), "--out", "none")
    assert "no model 'nobody' here; models: mock" in one_line(other, 2)


async def test_a_model_is_looked_up_where_there_is_one(engine: Engines, bench: Any, workload: Path) -> None:
    async with engines("--adapters", "legal") as two:
        done = bench(two.url, "--workload", str(workload), "--out", "none")
    assert "which model?; --model NAME" in one_line(done, 2)
    assert "legal" in done.stderr


def test_nobody_there(bench: Any, workload: Path, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    address = url.removeprefix("http://")
    assert address in one_line(bench(url, "--workload", str(workload), "--model", "m", "--out", "run"), 3)
    assert address in one_line(bench(url, "--workload", str(workload)), 3)
    assert not (tmp_path / "run").exists(), "what was not measured leaves nothing behind"
    assert "no Headway is running here" in one_line(bench("--workload", str(workload)), 3)


async def test_a_model_that_is_not_there(engine: Engines, bench: Any, workload: Path) -> None:
    line = one_line(bench(engine.url, "--workload", str(workload), "--model", "gpt-9"), 1)
    assert "gpt-9" in line


def test_a_workload_that_is_wrong(bench: Any, workload: Path) -> None:
    workload.write_text(SHORT.replace("prompt: 20", "promt: 20"))
    done = bench("http://127.0.0.1:1", "--workload", str(workload))
    assert done.returncode == 2
    assert f"{workload}:6:1: promt: unknown field; did you mean prompt?" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_trace_that_cannot_be_read(engine: Engines, bench: Any, tmp_path: Path) -> None:
    (trace := tmp_path / "azure.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,many,109\n"
    )
    done = bench(engine.url, "--trace", str(trace), "--model", "mock", "--out", "run")
    assert done.returncode in (1, 2)
    assert "azure.csv:3" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    missing = bench(engine.url, "--trace", str(tmp_path / "none.csv"), "--model", "mock")
    assert "none.csv" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1


async def test_a_disk_that_fills_up_keeps_what_is_there(
    engine: Engines, bench: Any, workload: Path, small_disk: Path
) -> None:
    (small_disk / "ballast").write_bytes(bytes(1_900_000))
    run = ["--workload", str(workload), "--out", str(small_disk / "run"), "--rate", "300", "--for", "3s"]
    done = bench(engine.url, *run)
    assert done.returncode in (1, 4)  # 4: this machine was too busy to be believed
    assert "900 due" in done.stdout, "the run itself went on"
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "No space left on device" in done.stderr
    kept = read_records(small_disk / "run" / "records.jsonl")
    assert 0 < len(kept.records) < 900


async def test_ctrl_c_keeps_what_there_is(engine: Engines, headway: Headway, workload: Path, tmp_path: Path) -> None:
    process = headway.start(
        "bench", engine.url, "--workload", str(workload), "--for", "60s", "--out", str(tmp_path / "run")
    )
    records = tmp_path / "run" / "records.jsonl"
    eventually(lambda: records.exists() and records.stat().st_size > 4000)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=WITHIN)
    assert process.returncode == 4, stderr
    assert stdout.startswith("INVALID: ")
    assert "you stopped it after" in stdout
    assert "Traceback" not in stderr
    kept = read_records(records)
    assert kept.facts is not None
    assert kept.facts.interrupted
    assert len(kept.records) > 10
    assert (tmp_path / "run" / "report.html").exists()


async def test_on_a_terminal_one_line_moves_and_then_is_gone(engine: Engines, headway: Headway, workload: Path) -> None:
    command = headway.command("bench", engine.url, "--workload", str(workload), "--out", "none", "--for", "3s")
    terminal = Terminal(command, headway.env, columns=90)
    try:
        terminal.until(" of 3 s")
        terminal.until(" sent")
        code = terminal.wait()
        screen = terminal.screen()
        assert not any(" of 3 s" in line for line in screen)
        assert any(measured(line, code) for line in screen)
        assert max(map(len, screen)) <= 90
    finally:
        terminal.close()


def test_a_dry_run_sends_nothing_and_needs_no_server(bench: Any, workload: Path) -> None:
    done = bench("--workload", "rag", "--rate", "5", "--for", "20s", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rag, 5/s (poisson), 20 s, seed 1\n")
    assert re.search(r"^requests +\d+, [\d.]+/s over 20 s$", done.stdout, re.MULTILINE)
    assert "begin an earlier prompt too" in done.stdout
    told = json.loads(bench("--workload", str(workload), "--dry-run", "--json").stdout)
    assert (told["requests"], told["prompt_mean"], told["output_mean"]) == (80, 20, 4)
    assert len(told["first"]) == 10


async def test_the_search_tells_its_stages_and_its_answer(bench: Any, workload: Path, tmp_path: Path) -> None:
    """Only that it works: how near it comes is measured under benchmarks/bench."""
    async with engines("--ttft", "0.02", "--itl", "0.001", "--capacity", "120") as slow:
        done = bench(slow.url, "--workload", str(workload), "--find-max", "--for", "9s", "--rate", "80", "--out", "run")
    assert done.returncode in (0, 4), done.stdout + done.stderr  # 4: this machine was too busy to be believed
    if done.returncode == 0:
        assert re.search(r"/s is the highest rate with 95 % inside ttft 300 ms \(95 %: ", done.stdout)
        assert " inside " in done.stderr
        told = json.loads((tmp_path / "run/summary.json").read_text())
        assert told["found"]["rate"] > 60
        assert len(told["stages"]) == len(list((tmp_path / "run").glob("records-*.jsonl")))
        assert "<svg" in (tmp_path / "run/report.html").read_text()


def test_a_search_needs_limits_and_rates(bench: Any, workload: Path) -> None:
    workload.write_text(SHORT.replace("slo: {ttft: 300ms}\n", ""))
    assert "--find-max needs limits" in one_line(
        bench("http://127.0.0.1:1", "--workload", str(workload), "--find-max", "--model", "m"), 2
    )
    assert "choose rates themselves" in one_line(bench("http://127.0.0.1:1", "--find-max", "--concurrency", "3"), 2)


async def test_a_curve_goes_beyond_the_knee(bench: Any, workload: Path, tmp_path: Path) -> None:
    async with engines("--ttft", "0.02", "--itl", "0.001", "--capacity", "60") as slow:
        done = bench(slow.url, "--workload", str(workload), "--curve", "--for", "0.5s", "--rate", "40", "--out", "run")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    points = json.loads((tmp_path / "run/summary.json").read_text())["points"]
    assert len(points) >= 3
    assert done.stdout.splitlines()[0].split()[0] == "rate"


async def test_two_runs_compared(bench: Any, workload: Path) -> None:
    for name, ttft in (("a", "0.03"), ("b", "0.06")):
        async with engines("--ttft", ttft, "--itl", "0.002") as each:
            assert bench(each.url, "--workload", str(workload), "--out", name).returncode in (0, 4)
    done = bench("--compare", "a", "b")
    assert done.returncode == 0, done.stderr
    ttft_row = next(line for line in done.stdout.splitlines() if line.startswith("TTFT from due p50"))
    assert ttft_row.endswith("worse")
    assert "paired" in done.stdout
    told = json.loads(bench("--compare", "a", "b", "--json").stdout)
    assert told["comparison"]["method"] == "paired"
    nothing = bench("--compare", "a", "nowhere")
    assert "nowhere: is not there" in one_line(nothing, 2)
