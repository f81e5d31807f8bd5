"""Each verdict, by a run that earns it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headway.bench.evidence import short
from headway.bench.facts import Generator, StageFacts
from headway.bench.generator_faults import CODES
from headway.bench.record import Record
from headway.bench.schema import Slo, Summary
from headway.bench.summary import summarise
from tests.support.bench_records import answer, facts, failed, served

ROOT = Path(__file__).parents[2]


def steady(count: int = 1200, rate: float = 20.0, **given) -> list[Record]:
    """Regular arrivals, each answered after 140 ms."""
    return [answer(n, n / rate, **given) for n in range(count)]


def codes(summary: Summary) -> list[str]:
    return [each.code for each in summary.verdict.reasons]


def test_a_server_that_keeps_up_is_valid() -> None:
    verdict = summarise(steady(), facts(cv=0.0)).verdict
    assert (verdict.word, verdict.exit_code, verdict.reasons, verdict.text) == ("VALID", 0, [], "VALID")
    assert verdict.cautions == []


def test_asked_twenty_and_able_to_do_eight() -> None:
    """The demonstration: the true waits, the answered rate, and an exit status that a script notices."""
    summary = summarise(served(20, 8, 60, 3), facts(cv=1.0), Slo(ttft=0.2))
    verdict = summary.verdict
    assert (verdict.word, verdict.exit_code) == ("OVERLOADED", 1)
    assert codes(summary) == ["waiting_grew"]
    assert verdict.text.startswith("OVERLOADED: the server answered ")
    assert verdict.reasons[0].numbers["answered"] == pytest.approx(8, rel=0.15)
    assert verdict.reasons[0].numbers["growth"] == pytest.approx(12, rel=0.15)
    assert summary.whole.latency.ttft_sched.p50 == pytest.approx(45, rel=0.2)
    assert summary.whole.goodput is not None
    assert summary.whole.goodput.inside.share is not None
    assert summary.whole.goodput.inside.share < 0.05


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (11.734, "11.7"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (-11.73, "-11.7"),
        (0.0123, "0.0123"),
    ],
)
def test_numbers_in_sentences_have_no_exponents(value: float, told: str) -> None:
    assert short(value) == told


def test_a_server_that_refuses_is_overloaded_though_nothing_waits() -> None:
    records = [failed(n, n / 20, status=429) if n % 3 == 0 else answer(n, n / 20) for n in range(1200)]
    summary = summarise(records, facts(cv=0.0, warmup=0.0))
    assert (summary.verdict.word, codes(summary)) == ("OVERLOADED", ["refused"])
    assert "33.3% were refused or not answered in time (429: " in summary.verdict.text


@pytest.mark.parametrize(("first", "refused"), [(5.0, False), (None, True)])
def test_long_answers_that_the_drain_cut_are_no_refusals(first: float | None, refused: bool) -> None:
    """The last of each ten takes for ever: its answer comes (or does not even begin) while the drain ends."""
    records = [answer(n, n / 20) for n in range(1200)]
    for each in records[9::10]:
        each.error, each.status, each.ended = "timeout", 0, each.due + 100
        each.first = None if first is None else each.due + first
    summary = summarise(records, facts(drained=False))
    assert summary.whole.requests.failures["timeout"] > 50
    assert ("refused" in codes(summary)) is refused
    assert any("when the drain's deadline came" in each for each in summary.verdict.cautions)


@pytest.mark.parametrize("status", [404, 500])
def test_errors_that_load_does_not_explain_are_called_failed(status: int) -> None:
    summary = summarise([failed(n, n / 20, status=status) for n in range(1200)], facts(cv=0.0, warmup=0.0))
    assert (summary.verdict.word, summary.verdict.exit_code, codes(summary)) == ("FAILED", 1, ["failed"])
    assert f"100.0% failed ({status}: 1200)" in summary.verdict.text


def test_a_few_failures_are_told_and_no_more() -> None:
    records = [failed(n, n / 20) if n == 7 else answer(n, n / 20) for n in range(1200)]
    verdict = summarise(records, facts(cv=0.0, warmup=0.0)).verdict
    assert verdict.word == "VALID"
    assert verdict.cautions == ["1 of 1200 requests failed"]


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("generator_cpu", {"generators": [Generator(cpu=55.0), Generator(cpu=1.0)]}),
        ("loop_delay", {"generators": [Generator(loop_delays=[0.0] * 98 + [0.006] * 2)]}),
        ("broken", {"faults": ["worker 2 died"]}),
    ],
)
def test_a_generator_that_was_at_its_end_makes_the_run_invalid(code: str, given) -> None:
    summary = summarise(served(20, 8, 60, 3), facts(**given))
    assert summary.verdict.word == "INVALID"
    assert summary.verdict.exit_code == 4
    assert codes(summary) == [code, "waiting_grew"], "what the server did is told as well"


def test_a_process_that_writes_records_is_not_judged() -> None:
    writer = Generator(cpu=59.0, cpu_share=1.0, loop_delays=[0.1] * 200, role="collector")
    assert summarise(steady(), facts(generators=[Generator(cpu=1.0), writer])).verdict.word == "VALID"


@pytest.mark.parametrize(
    ("lag", "slo", "word"),
    [(0.009, None, "VALID"), (0.011, None, "INVALID"), (0.011, 0.5, "VALID"), (0.03, 0.5, "INVALID")],
)
def test_send_lag_is_bounded_by_ten_milliseconds_or_a_part_of_the_limit(
    lag: float, slo: float | None, word: str
) -> None:
    records = [answer(n, n / 20, started=n / 20 + (lag if n % 50 < 2 else 0.0)) for n in range(1200)]
    assert summarise(records, facts(cv=0.0), Slo(ttft=slo)).verdict.word == word


def test_a_slow_connection_is_not_the_generators_lag() -> None:
    records = [answer(n, n / 20, sent=n / 20 + 0.08) for n in range(1200)]
    assert summarise(records, facts(cv=0.0)).verdict.word == "VALID"


def test_requests_that_were_never_sent_make_it_invalid() -> None:
    gone = {"started": None, "sent": None, "ended": None, "error": "unsent", "status": 0}
    records = [answer(n, n / 20) if n % 100 else failed(n, n / 20, **gone) for n in range(1200)]
    summary = summarise(records, facts(cv=0.0))
    assert (summary.verdict.word, codes(summary)) == ("INVALID", ["unsent"])


@pytest.mark.parametrize(
    ("cv", "rate", "word"),
    [
        (0.0, 20.0, "VALID"),
        (0.0, 19.5, "INVALID"),
        (1.0, 19.5, "VALID"),
        (1.0, 16.0, "INVALID"),
        (4.0, 16.0, "VALID"),
        (None, 10.0, "VALID"),
    ],
)
def test_arrivals_are_as_many_as_their_law_allows(cv: float | None, rate: float, word: str) -> None:
    summary = summarise(steady(int(60 * rate), rate), facts(cv=cv))
    assert summary.verdict.word == word
    assert codes(summary) == ([] if word == "VALID" else ["arrivals"])


def test_a_run_that_only_fills_has_no_steady_state() -> None:
    records = [answer(n, n / 5, first=n / 5 + 0.1, ended=n / 5 + 50.0, gaps=[2_000_000] * 24) for n in range(300)]
    summary = summarise(records, facts(rate=5.0, cv=0.0))
    assert (summary.verdict.word, codes(summary)) == ("INVALID", ["not_steady"])
    assert "run for 200 s or more" in summary.verdict.text


def test_too_few_requests_for_a_percentile() -> None:
    few = summarise(steady(10), facts(0.5, cv=0.0))
    assert (few.verdict.word, codes(few)) == ("INVALID", ["too_few"])
    assert few.verdict.reasons[0].numbers == {"requests": 10, "needed": 20}
    assert summarise(steady(60), facts(3.0, cv=0.0), percentile=99).verdict.word == "INVALID"
    assert summarise(steady(120), facts(6.0, cv=0.0), percentile=99).verdict.word == "VALID"


def test_one_request_is_asked_nothing_but_its_answer() -> None:
    good = summarise([answer(started=0.5)], facts(1.0, None, generators=[Generator(cpu=1.0, loop_delays=[0.1])]))
    assert good.verdict.word == "VALID"
    assert good.verdict.cautions == ["one request: every figure is that request's own"]
    assert summarise([failed()], facts(1.0, None)).verdict.word == "FAILED"
    assert summarise([failed(error="timeout", status=0)], facts(1.0, None)).verdict.word == "OVERLOADED"


def test_no_request_at_all() -> None:
    summary = summarise([], facts(rate=None))
    assert (summary.verdict.word, codes(summary)) == ("INVALID", ["nothing"])


def test_stopped_by_the_user() -> None:
    summary = summarise(steady(200), facts(60, cv=0.0, interrupted=True, stopped=10.0))
    assert (summary.verdict.word, codes(summary)) == ("INVALID", ["interrupted"])
    assert "you stopped it after 10 s" in summary.verdict.text
    over = summarise(served(20, 8, 30, 3), facts(60, cv=1.0, interrupted=True, stopped=30.0))
    assert (over.verdict.word, codes(over)) == ("OVERLOADED", ["waiting_grew", "interrupted"])


def closed(callers: int, busy: int, seconds: float = 30.0, take: float = 0.14) -> list[Record]:
    """`busy` callers that ask again at once, whatever was asked for."""
    rounds = int(seconds / take)
    return [answer(r * busy + c, r * take) for r in range(rounds) for c in range(busy)]


def test_a_closed_loop_is_never_overloaded() -> None:
    slow = [answer(r * 4 + c, r * 5.0, first=r * 5.0 + 4.9) for r in range(12) for c in range(4)]
    summary = summarise(slow, facts(60, None, concurrency=4))
    assert summary.verdict.word == "VALID"
    assert summary.windows[0].growth is None


def test_a_closed_loops_callers_are_kept_busy() -> None:
    assert summarise(closed(8, 8), facts(30, None, concurrency=8)).verdict.word == "VALID"
    idle = summarise(closed(8, 4), facts(30, None, concurrency=8))
    assert (idle.verdict.word, codes(idle)) == ("INVALID", ["idle_callers"])


def test_callers_that_think_between_turns_are_not_idle() -> None:
    turns = [answer(n * 8 + c, n * 2.0, session=c, turn=n) for n in range(15) for c in range(8)]
    assert summarise(turns, facts(30, None, concurrency=8)).verdict.word == "VALID"


def test_refusals_of_a_closed_loop_are_failures_at_its_concurrency() -> None:
    records = [
        failed(each.number, each.due, status=429, ended=each.ended) if each.number % 4 == 0 else each
        for each in closed(8, 8)
    ]
    summary = summarise(records, facts(30, None, concurrency=8))
    assert (summary.verdict.word, codes(summary)) == ("FAILED", ["failed"])
    assert "at 8 at once" in summary.verdict.text


def test_the_stage_that_was_too_much_is_named() -> None:
    stages = [StageFacts("low", 0, 60, 4.0, cv=0.0), StageFacts("high", 60, 120, 20.0, cv=0.0)]
    low = [answer(n, n / 4) for n in range(240)]
    high = served(20, 8, 60, 5, law=0.0)
    moved = [answer(each.number + 240, each.due + 60, first=(each.first or 0) + 60, stage=1) for each in high]
    summary = summarise(low + moved, facts(stages=stages, ended=200.0))
    assert summary.verdict.word == "OVERLOADED"
    assert "in stage high" in summary.verdict.text
    assert [part.name for part in summary.stages] == ["low", "high"]


def test_a_ramp_grows_by_itself_and_is_not_called_overloaded_for_it() -> None:
    due, records = 0.0, []
    while due < 60:
        records.append(answer(len(records), due, first=due + 0.1, ended=due + 3.0))
        due += 1 / (5 + 45 * due / 60)
    summary = summarise(records, facts(60, 27.5, ramp=True))
    assert summary.verdict.word == "VALID"
    assert summary.windows[0].start == 0.0


def test_a_run_too_short_to_tell_says_so() -> None:
    summary = summarise(served(20, 40, 8, 11), facts(8, cv=1.0))
    assert summary.verdict.word == "VALID"
    assert any("too short to be sure" in each for each in summary.verdict.cautions)


def test_what_a_reader_should_know_besides() -> None:
    silent = [answer(n, n / 20, output_tokens=None, prompt_tokens=None) for n in range(1200)]
    told = summarise(
        silent, facts(cv=0.0, warmup=0.0, drained=False, generators=[Generator(cpu=1.0, cpu_share=0.9)])
    ).verdict.cautions
    assert [each.split(":")[0][:30] for each in told] == [
        "in its busiest second the gene",
        "some requests had not ended wh",
        "1200 answers came without usag",
    ]
    assert "told nothing" in summarise(steady(), facts(cv=0.0, generators=[])).verdict.cautions[0]


def test_the_generators_codes_are_all_on_their_list_and_on_the_page() -> None:
    source = (ROOT / "headway/bench/generator_faults.py").read_text()
    assert set(re.findall(r'Reason\("(\w+)"', source)) == set(CODES)
    files = ("generator_faults", "server_faults", "verdict")
    written = "".join((ROOT / f"headway/bench/{name}.py").read_text() for name in files)
    told = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/bench-verdicts.md").read_text(), re.MULTILINE))
    assert told == set(re.findall(r'Reason\("(\w+)"', written)) | {"refused", "failed"}
