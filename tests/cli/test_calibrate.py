"""`headway perf calibrate` as a user sees it: bench records and request logs in, a calibration that plan and simulate
use and name."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from headway.bench.facts import RunFacts
from headway.bench.record import Record
from headway.bench.records import RecordWriter
from headway.cli.main import main
from headway.engines.calibrations import fits
from headway.gateway.record import Attempt
from headway.gateway.record import Record as Logged
from headway.perf.live.seen import Seen
from headway.store.request_log import RequestLog, RequestRow
from tests.support.live import other_constants, seen_by

MODEL = """\
kind: Model
name: chat
source: builtin://smollm2-135m-instruct
replicas: 2
args: {threads: 1}
"""
LOAD = """\
kind: Workload
name: asked
prompt: 100..200
output: 20..40
arrivals: {rate: 0.5/s}
for: 30s
"""
SOURCE = "fitted on your measurements of 2026-11-21, 60 requests"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "chat.yaml").write_text(MODEL)
    (tmp_path / "load.yaml").write_text(LOAD)
    return tmp_path


def seen(count: int = 60) -> list[Seen]:
    truth = other_constants(reading=0.6, computing=5.0)
    return [replace(each, planned=each.prompt - 9) for each in seen_by(truth, rate=1.0, count=count, seed=1)]


def bench(folder: Path, requests: Iterable[Seen], *, model: str = "chat", name: str = "run", error: str = "") -> Path:
    """What `headway bench --out` leaves."""
    (folder / name).mkdir()
    writer = RecordWriter(folder / name / "records.jsonl")
    for number, each in enumerate(requests):
        writer.add(
            Record(
                number, 0, "chat", model, each.sent, each.sent, each.sent, each.first, each.first, each.last, each.last,
                status=0 if error else 200, error=error, planned_prompt=each.planned, prompt_tokens=each.prompt,
                cached_tokens=0, output_tokens=each.output, replica=each.replica,
            )
        )  # fmt: skip
    writer.close(RunFacts("http://127.0.0.1:1", "asked", 1, 1795300000.0, 100.0, []))
    return folder / name


def log(folder: Path, requests: Iterable[Seen], *, each_seq: int = 1) -> Path:
    """What a gateway leaves; with `each_seq` 10, of a gateway that kept one request of ten."""
    written = RequestLog(folder / "requests.db")
    for number, each in enumerate(requests):
        at = 1795300000.0 + each.sent
        ttft, lasted = each.first - each.sent, each.last - each.sent
        record = Logged(
            seq=1 + number * each_seq, id=f"r{number}", at=at, path="/v1/chat/completions", model="chat", stream=True,
            status=200, ttft=ttft, duration=lasted, attempts=[Attempt(endpoint=each.replica, at=0.0)],
        )  # fmt: skip
        row = RequestRow(
            f"r{number}", at, "sample", 1.0, True, "chat", "", "chat", "v1", 200, ttft, lasted, each.prompt, 0,
            each.output, None, each.prompt * 4, b"", b"", b"", msgspec.json.encode(record),
        )  # fmt: skip
        written.add([row], at)
    written.close()
    return folder / "requests.db"


@dataclass(frozen=True)
class Told:
    exit_code: int
    stdout: str
    stderr: str


class Command:
    """`headway` with these arguments, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Told:
        self._monkeypatch.setattr(sys, "argv", ["headway", *map(str, arguments)])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        told = self._capsys.readouterr()
        return Told(int(code or 0), told.out, told.err)

    def calibrate(self, *arguments: object) -> Told:
        return self("perf", "calibrate", *arguments, "-f", "chat.yaml")


@pytest.fixture
def headway(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def test_records_of_bench_make_a_calibration_that_simulate_and_plan_name(folder: Path, headway: Command) -> None:
    before = headway("simulate", "chat.yaml", "--workload", "load.yaml")
    assert SOURCE not in before.stdout
    done = headway.calibrate(bench(folder, seen()))
    assert done.exit_code == 0, done.stderr
    assert "smollm2-135m-instruct, q4_1 in llamacpp on 1 core" in done.stdout
    assert "60 requests" in done.stdout
    assert str(folder / "state" / "calibration.json") in done.stdout
    (fit,) = fits(folder / "state" / "calibration.json")
    assert fit.errors["tpot"] < fit.errors["tpot_shipped"]
    assert fit.wrap == 9
    after = headway("simulate", "chat.yaml", "--workload", "load.yaml")
    assert SOURCE in " ".join(after.stdout.split())
    (folder / "one.yaml").write_text(MODEL.replace("replicas: 2", "replicas: 1"))
    plan = headway("plan", "one.yaml", "--workload", "load.yaml", "--rate", "0.05/s", "--slo", "ttft=9s,itl=900ms")
    assert SOURCE in " ".join(plan.stdout.split()), plan.stdout + plan.stderr


def test_a_request_log_tells_the_same_as_the_records(folder: Path, headway: Command) -> None:
    requests = seen()
    assert headway.calibrate(bench(folder, requests), "-o", "a.json").exit_code == 0
    assert headway.calibrate(log(folder, requests), "-o", "b.json").exit_code == 0
    (one,), (other,) = fits(folder / "a.json"), fits(folder / "b.json")
    assert dict(other.values) == pytest.approx(dict(one.values), rel=0.01)
    assert not (folder / "state" / "calibration.json").exists()


def test_several_sources_are_one_fit_and_a_second_replaces_the_first(folder: Path, headway: Command) -> None:
    first, second = bench(folder, seen(), name="one"), bench(folder, seen(40), name="two")
    assert headway.calibrate(first, second).exit_code == 0
    assert headway.calibrate(first).exit_code == 0
    (fit,) = fits(folder / "state" / "calibration.json")
    assert fit.requests == 60


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda at: bench(at, []), "no request in it can be used"),
        (lambda at: bench(at, seen(), error="timeout"), "no request in it can be used: 60 not answered whole"),
        (lambda at: bench(at, seen(12)), "12 requests can be used, and 30 are needed"),
        (lambda at: bench(at, seen(), model="other"), "no request is for 'chat', only for other"),
        (lambda at: log(at, seen(), each_seq=10), "the log kept 10% of the requests"),
        (lambda at: at, "a folder without records"),
        (lambda at: at / "chat.yaml", "no record of a request"),
        (lambda at: at / "nothing.jsonl", "No such file"),
    ],
    ids=["empty", "all failed", "few", "another model", "a thin log", "no run", "no records", "no file"],
)
def test_what_cannot_be_used_is_one_clear_line(folder: Path, headway: Command, make, told: str) -> None:  # type: ignore[no-untyped-def]
    done = headway.calibrate(make(folder))
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "state" / "calibration.json").exists()


def test_a_calibration_that_is_none_is_told_with_its_file(folder: Path, headway: Command) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "calibration.json").write_text('{"fits": [{"site": 1}]}')
    done = headway("simulate", "chat.yaml", "--workload", "load.yaml")
    assert done.exit_code == 2
    assert "calibration.json is no calibration" in done.stderr
