"""The court: copies of a trace, who is judged, and how; on an engine of two lines, in seconds."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.cli.main import app
from headway.errors import UsageError
from headway.perf.step.shape import Limits
from headway.perf.traffic.schedule import traffic
from headway.perf.traffic.trace import Call
from headway.policy.route import Slo
from headway.policy.scaling.demand import Demand
from headway.policy.scaling.observation import WINDOWS, Capacity, Observation, Starting, Window
from headway.policy.scaling.scaler import Memory, Verdict
from headway.sim.capacity import capacity_of, lengths_of
from headway.sim.closing import Closing
from headway.sim.court.bench import Trial, tried
from headway.sim.court.copies import Copies
from headway.sim.court.court import factor_of
from headway.sim.court.finding import Point, at_equal
from headway.sim.court.kept import Kept
from headway.sim.court.prepare import Window as Stretch
from headway.sim.court.subjects import ablations, subjects
from headway.sim.fleet import Fleet, Served
from headway.sim.run import simulate
from headway.spec.workload import TraceFile, Workload
from tests.support.batching import Affine
from tests.support.traces import Recorded


def recorded(seconds: int = 240, rate: float = 4.0) -> Recorded:
    """A wave: twice the rate in the middle third."""
    calls, at = [], 0.0
    while at < seconds:
        calls.append(Call(at, 400 + (len(calls) * 37) % 200, 40, blocks=((len(calls) % 5, 128),)))
        at += 1 / (rate * (2.0 if seconds / 3 < at < 2 * seconds / 3 else 1.0))
    return Recorded(*calls)


def served() -> Served:
    limits = Limits(kv_tokens=40_000, most_sequences=16, token_budget=2048)
    return Served("chat", Affine(), limits, slo=Slo(2.0, None), hardware="made up")


def test_copies_keep_the_wave_and_share_no_prompt() -> None:
    trace = recorded()
    once = list(Copies(trace, 1.0, start=0.0, seconds=240.0, seed=1).calls(0.0, math.inf, 1))
    many = list(Copies(trace, 2.5, start=0.0, seconds=240.0, seed=1).calls(0.0, math.inf, 1))
    assert len(once) == len(list(trace.calls(0.0, 240.0, 1)))
    assert len(many) == pytest.approx(2.5 * len(once), rel=0.1)
    assert [call.at for call in many] == sorted(call.at for call in many)
    assert all(0 <= call.at < 240 for call in many)
    blocks = [{block for call in many for block, _ in call.blocks if block >> 40 == copy} for copy in range(3)]
    assert [len(each) for each in blocks] == [5, 5, 5]
    middle = sum(80 <= call.at < 160 for call in many) / len(many)
    assert middle > 0.42
    again = list(Copies(trace, 2.5, start=0.0, seconds=240.0, seed=1).calls(0.0, math.inf, 1))
    assert again == many


def point(hours: float, attained: float) -> Point:
    return Point(1.0, hours, attained, 0, 0, 1, None)


def test_equal_attainment_lies_between_its_neighbours() -> None:
    assert at_equal([point(5.0, 0.98), point(6.0, 1.0)], 0.99) == (pytest.approx(5.5), True)
    assert at_equal([point(6.0, 0.995)], 0.99) == (6.0, True)
    assert at_equal([point(5.0, 0.9), point(9.0, 0.95)], 0.99) == (9.0, False)
    # A point that costs more and keeps less says nothing.
    assert at_equal([point(9.0, 0.9), point(6.0, 0.995)], 0.99) == (6.0, True)


def test_ours_without_a_part_is_another_policy() -> None:
    windows = tuple(Window(each, 40.0 * each, 4000.0 * each, 400.0 * each) for each in WINDOWS)
    capacity = Capacity(1000.0, 100.0, 10.0)
    starting = (Starting(1.0, 100.0),) * 4
    seen = Observation("chat", 8, starting, windows, capacity, high=100, running=8)
    found = {each.name: each.make(0.8).decide(seen, Memory(), 0.0).target for each in ablations()}
    assert found["no pending"] > Demand(utilisation=0.8).decide(seen, Memory(), 0.0).target
    assert {each.name for each in subjects(16)} == {"headway", "hpa", "keda", "kpa", "fixed"}


def test_a_trial_finds_the_same_again_and_is_told_in_full() -> None:
    trial = Trial(served(), recorded(90), Stretch(0.0, 90.0), 10.0, peak=2, policies=("headway", "fixed"), seed=3)
    found = tried(trial, lambda _: None)
    assert found == tried(trial, lambda _: None)
    assert found.bounds.peak >= 2
    assert found.bounds.work <= found.bounds.plan
    ours, fixed = found.judged
    assert (ours.name, fixed.name) == ("headway", "fixed")
    for each in found.judged:
        assert each.cold is not None
        assert each.points
        assert each.hours > 0
        assert (each.ratio > 0.95) or not each.reaches  # a plan counts what a full replica takes on the mean
    assert 0.5 < found.factor < 2.0


def test_what_is_paid_ends_with_the_trace_and_what_is_owed_is_added() -> None:
    laid = Copies(recorded(120), 1.0, start=0.0, seconds=120.0, seed=1)
    requests = list(traffic(Workload(name="court", trace=TraceFile(file="made")), laid, seed=1))
    fleet = Fleet((replace(served(), replicas=1),), aliases={"": "chat"})
    closing, late = Closing(60.0), Closing(1e6)
    whole = simulate(fleet, Kept(requests), closing=closing)
    assert closing.paid == pytest.approx(60.0)
    assert 0 <= closing.owed <= sum(each.prompt_tokens for each in requests if each.at <= 60.0)
    assert whole.hours * 3600 > 60.0
    assert simulate(fleet, Kept(requests), closing=late) == whole
    assert late.paid is None


def test_a_full_replica_is_timed_without_its_last_answers() -> None:
    """Its end, in which few answers share a step, does not count, however many requests fill it."""
    model, laid = served(), Copies(recorded(240), 1.0, start=0.0, seconds=240.0, seed=1)
    requests = list(traffic(Workload(name="court", trace=TraceFile(file="made")), laid, seed=1))
    capacity = capacity_of(model.step, model.limits, model.slo, lengths_of(requests))
    found = [factor_of(model, requests[:count], capacity) for count in (300, 900)]
    assert found[0] == pytest.approx(found[1], rel=0.03)


def test_a_policy_that_nobody_knows() -> None:
    trial = Trial(served(), recorded(60), Stretch(0.0, 60.0), 20.0, copies=1.0, policies=("magic",))
    with pytest.raises(UsageError, match="magic"):
        tried(trial, lambda _: None)
    with pytest.raises(UsageError, match="no request"):
        tried(Trial(served(), recorded(60), Stretch(1000.0, 60.0), 20.0), lambda _: None)


class Listening:
    """Ours, and what it saw last."""

    name = "listening"

    def __init__(self) -> None:
        self.seen: Observation | None = None

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        self.seen = seen
        return Demand().decide(seen, memory, now)


def test_a_scaler_measures_what_a_replica_bears() -> None:
    """From answers alone it comes to what the engine's own step times say."""
    laid = Copies(recorded(400, 3.0), 1.0, start=0.0, seconds=400.0, seed=1)
    workload = Workload(name="court", trace=TraceFile(file="made"))
    requests = list(traffic(workload, laid, seed=1))
    model, listening = served(), Listening()
    reckoned = capacity_of(model.step, model.limits, model.slo, lengths_of(requests))
    scaled = replace(model, scaler=listening, replicas=2, low=1, high=8, capacity=replace(reckoned, prefill=1.0))
    simulate(Fleet((scaled,), aliases={"": "chat"}), Kept(requests))
    assert listening.seen is not None
    measured = listening.seen.capacity
    assert measured.seconds(500.0, 40.0) == pytest.approx(reckoned.seconds(500.0, 40.0), rel=0.35)


def model_file(folder: Path) -> Path:
    file = folder / "chat.yaml"
    file.write_text(
        "kind: Model\nname: chat\nsource: hf://meta-llama/Llama-3.1-8B-Instruct\ngpu: L4:1\nreplicas: 1..64\n"
        "args: {quantization: fp8}\n"
    )
    return file


def trace_file(folder: Path) -> Path:
    file = folder / "azure.csv"
    rows = [f"2023-11-16 18:{at // 60:02}:{at % 60:02}.0000000,900,120" for at in range(90) for _ in range(3)]
    file.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    return file


def test_the_command_prints_a_table_and_json(tmp_path: Path) -> None:
    command = ["simulate", str(model_file(tmp_path)), "--court", "--trace", str(trace_file(tmp_path))]
    command += ["--copies", "1", "--cold-start", "20s", "--compare", "headway"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "clairvoyant plan" in shown.output
    assert "cold start 20.0 s" in shown.output
    assert "\nheadway " in shown.output
    asked = CliRunner().invoke(app, [*command, "--json"])
    (found,) = json.loads(asked.output)
    assert found["copies"] == 1.0
    assert [each["name"] for each in found["judged"]] == ["headway"]


@pytest.mark.parametrize("more", [["--copies", "2"], ["--from", "10h"], ["--ablate"]])
def test_what_is_for_the_court_alone(tmp_path: Path, more: list[str]) -> None:
    found = CliRunner().invoke(app, ["simulate", str(model_file(tmp_path)), *more])
    assert isinstance(found.exception, UsageError)
    none = CliRunner().invoke(app, ["simulate", str(model_file(tmp_path)), "--court"])
    assert isinstance(none.exception, UsageError)
