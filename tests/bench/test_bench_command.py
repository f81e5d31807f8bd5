"""`headway bench` as a command: its words, files and exit status, on servers whose truth is known."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.bench.records import read_records
from headway.bench.summary import summarise
from tests.support.bench import paired, quantile, waits
from tests.support.mock_engine import DEADLINE, ROOT, Engines, engines

WORKLOAD = """\
kind: Workload
name: short
model: mock
prompt: 20
output: 4
arrivals: {{rate: {rate}/s, pattern: constant}}
for: {seconds}s
warmup: 0s
slo: {{ttft: 200ms}}
"""


def command(to: Engines, folder: Path, *more: str, rate: int = 40, seconds: float = 2) -> list[str]:
    (file := folder / "short.yaml").write_text(WORKLOAD.format(rate=rate, seconds=seconds))
    out = ["--out", str(folder / "out")]
    return [sys.executable, "-m", "headway", "bench", to.url, "--workload", str(file), *out, *more]


def start(argv: list[str], folder: Path) -> subprocess.Popen[str]:
    """In a process group of its own."""
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"},
        )  # fmt: skip


def run(argv: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit status, what it printed, what it complained of."""
    process = start(argv, folder)
    try:
        process.wait(2 * DEADLINE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, (folder / "stdout").read_text(), (folder / "stderr").read_text()


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "summary.json").read_text())
    return found


OURS = {"send_lag", "loop_delay", "generator_cpu", "unsent"}
"""Reasons why a run is INVALID on a machine that has other things to do."""


def judged(code: int, said: str, told: dict[str, Any], word: str) -> None:
    """It is that word, with its exit status; or the tests beside this one left the generator too little of the machine,
    which it then says, and nothing else."""
    verdict = told["verdict"]
    assert code == verdict["exit_code"] == {"VALID": 0, "OVERLOADED": 1, "INVALID": 4}[verdict["word"]]
    assert verdict["word"] in said
    if verdict["word"] != word:
        assert verdict["word"] == "INVALID", verdict
        assert verdict["reasons"][0]["code"] in OURS, verdict


async def test_overload_in_one_word_with_the_true_waits(tmp_path: Path) -> None:
    """Asked 100/s, it serves 40/s."""
    log = tmp_path / "arrivals.jsonl"
    async with engines("--ttft", "0.01", "--capacity", "40", "--arrivals", str(log)) as to:
        code, said, _ = run(command(to, tmp_path, rate=100), tmp_path)
    told = summary(tmp_path)
    judged(code, said, told, "OVERLOADED")
    records = read_records(tmp_path / "out" / "records.jsonl").records
    truth = waits(paired(records, log, tokens=4))  # what is asked before the load has one token
    assert told["whole"]["latency"]["ttft_sched"]["p50"] == pytest.approx(quantile(truth, 0.5), rel=0.1, abs=0.1)
    assert told["whole"]["rate"]["answered"] == pytest.approx(40, rel=0.15)
    assert told["whole"]["goodput"]["inside"]["share"] < 0.3


async def test_a_good_server_is_valid_and_the_records_say_it_again(tmp_path: Path) -> None:
    async with engines("--ttft", "0.05", "--itl", "0.005") as to:
        code, said, complained = run(command(to, tmp_path), tmp_path)
    judged(code, said, summary(tmp_path), "VALID")
    assert "Traceback" not in complained
    kept = read_records(tmp_path / "out" / "records.jsonl")
    assert len(kept.records) == 80
    again = summarise(kept.records, kept.facts, kept.slo)
    assert json.loads(msgspec.json.encode(again)) == summary(tmp_path)
    assert "<html" in (tmp_path / "out" / "report.html").read_text()[:500].lower()


async def test_a_generator_that_stood_still_is_no_measurement(tmp_path: Path) -> None:
    """All of its processes are stopped for 0.7 s in mid-run: whatever the figures say, they are not to be used."""
    async with engines("--ttft", "0.05", "--itl", "0.005") as to:
        process = start(command(to, tmp_path, seconds=3), tmp_path)
        try:
            until = time.monotonic() + DEADLINE
            while (await to.json("/mock/totals"))["finished"]["requests"] < 30:
                assert time.monotonic() < until
                await asyncio.sleep(0.02)
            os.killpg(process.pid, signal.SIGSTOP)
            time.sleep(0.7)  # noqa: ASYNC251 - what is to happen to it
            os.killpg(process.pid, signal.SIGCONT)
            code = process.wait(DEADLINE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert code == 4, (tmp_path / "stderr").read_text()
    assert "INVALID" in (tmp_path / "stdout").read_text()
    assert summary(tmp_path)["verdict"]["reasons"]


async def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    async with engines() as to:
        argv = command(to, tmp_path)
    code, said, complained = run(argv, tmp_path)
    assert code == 3
    assert len(complained.strip().splitlines()) == 1
    assert said == ""


async def test_a_model_that_is_not_there_is_one_line_and_no_load(tmp_path: Path) -> None:
    async with engines("--alias", "other") as to:
        code, _, complained = run(command(to, tmp_path), tmp_path)
        assert (await to.json("/mock/totals"))["finished"]["requests"] == 0
    assert code != 0
    assert "mock" in complained
    assert len(complained.strip().splitlines()) == 1
