"""The load generator of benchmarks/routing against real engines: it asks what is planned and counts what is so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.routing.answer import has_token, read
from benchmarks.routing.engines import MODEL, MockEngines
from benchmarks.routing.overhead import overhead
from benchmarks.routing.play import Place, Played, play
from benchmarks.routing.processes import BenchError, Child, answers, until
from benchmarks.routing.run import run
from benchmarks.routing.schedule import Message, Schedule, Session, Turn, Window
from benchmarks.routing.subjects import SUBJECTS, Subject, started, table
from benchmarks.routing.workloads import Fleet, Workload

SCALE = 20.0
GRACE = 600.0  # a run ends when all is done; a machine that is busy may take its time
FLEET = Fleet(speeds=(1.0, 0.5), adapters=("tuned",))


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockEngines]:
    with MockEngines(FLEET, SCALE, tmp_path_factory.mktemp("engines")) as running:
        yield running


def played(made: Schedule, engines: MockEngines, model: str = MODEL) -> Played:
    return play(made, Place(engines.urls[0], engines.urls[1], model, SCALE))


def talk(key: int, turns: int, *, at: float = 0.5, model: str = "") -> Session:
    said = [
        (Message("system", 1, 160), Message("user", key, 320)),
        *[(Message("user", key + n, 64),) for n in range(1, turns)],
    ]
    return Session(model, tuple(Turn(words, 12, 0.5, at + n, judged=True) for n, words in enumerate(said)))


def test_a_session_is_asked_turn_by_turn_with_the_answers_in_it(engines: MockEngines) -> None:
    outcome = played(Schedule.of(Window(0, 30, GRACE), [talk(1000, 3)]), engines)
    first, second, third = outcome.samples
    assert outcome.asked == 3
    assert not any(sample.missed or sample.fault for sample in outcome.samples)
    assert all(0 < sample.first < sample.whole <= sample.waited for sample in outcome.samples)
    assert first.cached_tokens == 0
    # what was asked and answered before is found again, but for the last, partial block of 16
    assert second.cached_tokens > first.prompt_tokens - 16
    assert third.cached_tokens > second.prompt_tokens - 16
    assert 480 <= first.prompt_tokens <= 480 + 3 * 8  # two messages and the answer's beginning, with their markers
    assert 64 + 12 <= second.prompt_tokens - first.prompt_tokens <= 64 + 12 + 3 * 8
    assert len(outcome.lag) == 3
    assert outcome.probe


def test_adapters_are_asked_by_name(engines: MockEngines) -> None:
    (sample,) = played(Schedule.of(Window(0, 20, GRACE), [talk(2000, 1, model="tuned")]), engines).samples
    assert not sample.missed


def test_what_is_not_judged_is_asked_and_not_counted(engines: MockEngines) -> None:
    load = Session("", (Turn((Message("user", 3000, 64),), 4, 0.0, 0.1),))
    outcome = played(Schedule.of(Window(0.4, 20, GRACE), [load, talk(3001, 1)]), engines)
    assert (outcome.asked, len(outcome.samples)) == (2, 1)


def test_a_refused_turn_ends_its_session_and_all_of_it_is_missed(engines: MockEngines) -> None:
    outcome = played(Schedule.of(Window(0, 30, GRACE), [talk(4000, 3, model="nobody")]), engines)
    assert [sample.fault for sample in outcome.samples] == ["status 404", "", ""]
    assert all(sample.missed for sample in outcome.samples)
    assert outcome.asked == 1


def test_what_is_not_done_by_the_end_is_missed_with_the_time_it_waited(engines: MockEngines) -> None:
    long = Session("", (Turn((Message("user", 5000, 64),), 20_000, 0.0, 0.5, judged=True),))
    (sample,) = played(Schedule.of(Window(0, 2, 40), [long]), engines).samples
    assert sample.missed
    assert sample.first is not None
    assert sample.waited >= 41


def test_nobody_listens(engines: MockEngines, unused_tcp_port: int) -> None:
    place = Place(f"http://127.0.0.1:{unused_tcp_port}", engines.urls[0], MODEL, SCALE)
    (sample,) = play(Schedule.of(Window(0, 5, GRACE), [talk(6000, 1)]), place).samples
    assert sample.fault == "connection broke"


def test_no_router_adds_nothing(engines: MockEngines) -> None:
    assert 0 <= overhead(engines.urls[0], engines.urls, MODEL, 400) < 1
    with pytest.raises(BenchError, match="status 404"):
        overhead(engines.urls[0], engines.urls, "nobody", 400)


def test_headway_routes_a_whole_run(tmp_path: Path) -> None:
    workload = Workload("small", "", lambda draw, rate, window: made, 1.0, SCALE, Window(0, 20, GRACE), FLEET)
    made = Schedule.of(workload.window, [talk(7000 + 100 * n, 2, at=0.2 * n) for n in range(6)])
    engines = MockEngines(FLEET, SCALE, tmp_path)
    done = run(workload, SUBJECTS["predicted_latency"], 0, made, engines=engines, folder=tmp_path)
    assert (done.figures.requests, done.figures.missed) == (12, 0)
    assert done.figures.hit_rate > 0
    assert done.asked == 12
    assert done.own >= 0


def test_tables_name_every_engine_for_the_model_and_each_adapter() -> None:
    made = table("power_of_two", ("http://a:1", "http://b:2"), ("tuned",))
    assert [(model.name, model.policy) for model in made.models] == [(MODEL, "power_of_two"), ("tuned", "power_of_two")]
    assert all([endpoint.url for endpoint in model.endpoints] == ["http://a:1", "http://b:2"] for model in made.models)


def test_peers_are_started_as_their_users_do(tmp_path: Path) -> None:
    for name, words in (("vllm-router", 0), ("sglang-router", 1)):
        argv = SUBJECTS[name].command(("http://a:1", "http://b:2"), (), 4000, tmp_path)
        assert argv[0].endswith(f"/bin/{name}")
        assert argv[1 + words : 9 + words] == [
            "--host", "127.0.0.1", "--port", "4000", "--policy", "cache_aware", "--worker-urls", "http://a:1",
        ]  # fmt: skip


def test_a_router_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    def command(*_: object) -> list[str]:
        return ["sh", "-c", "echo no such policy; exit 2"]

    with pytest.raises(BenchError, match="broken ended with status 2:\nno such policy"):
        started(Subject("broken", command, "/health", lambda count: b""), (), (), tmp_path)


def test_waiting_ends(tmp_path: Path) -> None:
    with Child("sleeper", ["sleep", "60"], tmp_path / "log") as child:
        assert child.cpu_seconds() >= 0
        with pytest.raises(BenchError, match="sleeper: a miracle: not within"):
            until(child, lambda: False, "a miracle", seconds=0.05)
    with Child("loser", ["sh", "-c", "echo sorry; exit 3"], tmp_path / "log") as child:  # noqa: SIM117
        with pytest.raises(BenchError, match="loser ended with status 3:\nsorry"):
            until(child, lambda: False, "a miracle", seconds=10)


def test_answers_is_false_for_whatever_is_wrong(engines: MockEngines, unused_tcp_port: int) -> None:
    assert answers(f"{engines.urls[0]}/health")
    assert not answers(f"{engines.urls[0]}/health", b"never said")
    assert not answers(f"{engines.urls[0]}/nowhere")
    assert not answers(f"http://127.0.0.1:{unused_tcp_port}/health")


def test_a_first_event_without_text_is_no_token() -> None:
    assert not has_token(b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n')
    assert not has_token(b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n')
    both = b'data: {"choices":[{"delta":{"content":""}}]}\n\ndata: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    assert has_token(both)


def test_a_stream_is_read_whole() -> None:
    said = b'data: {"choices":[{"delta":{"content":"%b"}}],"usage":null}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
    stream = said % b"Hello" + said % b", you" + usage
    answer = read(stream + b"data: [DONE]\n\n")
    assert (answer.text, answer.usage.prompt_tokens, answer.usage.cached_tokens) == ("Hello, you", 9, 4)
    assert answer.whole
    assert not read(stream).whole
