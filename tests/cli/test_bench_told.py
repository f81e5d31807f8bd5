"""What `headway bench` says: the live line, and the table of a Summary, on wide terminals and narrow ones."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from headway.bench.compare import Comparison, Row, Statistic
from headway.bench.facts import Generator, RunFacts, StageFacts
from headway.bench.plan import Progress
from headway.bench.record import Record
from headway.bench.schema import Slo, Summary
from headway.bench.search import Found
from headway.bench.summary import summarise
from headway.cli.bench_live import Glance, told
from headway.cli.bench_table import comparison_lines, found_lines, summary_lines


def a_record(number: int, due: float, waited: float, **given: Any) -> Record:
    """Ten tokens, 10 ms apart, the first 50 ms after it was let in."""
    first = due + waited + 0.05
    fields: dict[str, Any] = {
        "model": "chat",
        "status": 200,
        "started": due + 0.0004,
        "sent": due + 0.0005,
        "first_byte": first,
        "first": first,
        "last": first + 0.09,
        "ended": first + 0.09,
        "prompt_tokens": 100,
        "wanted_tokens": 10,
        "output_tokens": 10,
        "gaps": [10_000] * 9,
        "sizes": [1] * 10,
        "sized_by": "tokens",
    }
    return Record(number=number, stage=0, operation="chat", due=due, **(fields | given))


def a_summary(capacity: float = 8.0, rate: float = 20.0, seconds: float = 30.0, **given: Any) -> Summary:
    """A server that lets `capacity` a second in, asked for `rate` evenly."""
    count = int(rate * seconds)
    records = [a_record(i, i / rate, max(0.0, i / capacity - i / rate)) for i in range(count)]
    records += given.pop("more", [])
    facts = RunFacts(
        target="http://127.0.0.1:9000",
        workload="chat",
        seed=1,
        started_at=1.8e9,
        ended=max(each.ended or 0 for each in records),
        stages=[StageFacts("1", 0.0, seconds, rate, cv=0.0)],
        generators=[Generator(1.2, 0.08, [0.0002] * 500)],
    )
    return summarise(records, facts, given.pop("slo", Slo(ttft=0.2, itl=0.05)))


def lines(summary: Summary, columns: int) -> list[str]:
    return list(summary_lines(summary, columns))


def test_the_verdict_and_its_reason_stand_first() -> None:
    said = lines(a_summary(), 120)
    assert said[0].startswith("OVERLOADED: the server answered 7.97 requests/s of 20; what waited grew by ")
    text = "\n".join(said)
    for words in (
        "TTFT from due",
        "TTFT from sent",
        "TPOT",
        "ITL",
        "E2E from due",
        "asked 20/s",
        "realised 20/s",
        "send lag p99",
    ):
        assert words in text
    assert "(ttft 200 ms)" in text
    assert "600 due" in text


def test_a_good_run_is_valid() -> None:
    said = lines(a_summary(capacity=1e9), 120)
    assert said[0] == "VALID"
    assert "100 % (ttft 200 ms)" in "\n".join(said)


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(columns: int) -> None:
    summary = a_summary()
    if columns >= 60:
        assert max(map(len, lines(summary, columns))) <= columns
    assert all(line.strip() for line in lines(summary, columns) if line)


def test_failures_are_told_by_what_happened() -> None:
    failing = [a_record(1000 + i, i / 2, 0.0, status=429, error="http", first=None, last=None) for i in range(60)]
    text = "\n".join(lines(a_summary(capacity=1e9, more=failing), 120))
    assert re.search(r"(\d+) failed \(429: \1\)", text)


def test_parts_are_told_where_there_are_several() -> None:
    others = [a_record(1000 + i, i / 5, 0.0, model="big", tenant="gold") for i in range(140)]
    text = "\n".join(lines(a_summary(capacity=1e9, more=others), 120))
    assert "model" in text
    assert "big" in text
    assert "gold" in text


def test_the_live_line_gives_way_from_the_right() -> None:
    progress = Progress(now=58.2, seconds=60.0, due=1170, sent=1163, ended=1140, failed=3, running=23)
    glance = Glance(0.061, 0.98)
    wide = told(progress, glance, 140)
    assert wide.startswith("================") or wide.startswith("===============>")
    for words in (
        "58 of 60 s",
        "1,163 sent",
        "30 open",
        "inside 98 %",
        "3 failed",
        "TTFT p50 61 ms",
        "answered 19.6/s",
    ):
        assert words in wide
    for columns in range(10, 140, 7):
        assert len(told(progress, glance, columns)) <= columns
    assert "1,163 sent" in told(progress, glance, 30)


def test_beyond_its_end_a_run_drains() -> None:
    assert "71 s, draining" in told(Progress(now=71.2, seconds=60.0, due=10, sent=10, ended=8), Glance(), 120)


def test_the_live_line_of_a_run_without_an_end_has_no_bar() -> None:
    progress = Progress(now=5.0, seconds=float("inf"), due=10, sent=10, ended=8)
    assert told(progress, Glance(), 120).startswith("5 s  10 sent")


def test_a_search_says_its_answer_in_one_sentence() -> None:
    found = Found(52.31, 50.9, 53.8, 8, 96.2, True, True, "known to 3%")
    first, second = found_lines(found, 0.95, "ttft 200 ms", 120)
    assert first == "52.3/s is the highest rate with 95 % inside ttft 200 ms (95 %: 50.9/s to 53.8/s)"
    assert "8 stages" in second
    open_end = Found(40.0, 30.0, float("inf"), 2, 9.0, False, False, "even the highest rate was inside")
    assert next(iter(found_lines(open_end, 0.95, "ttft 200 ms", 120))).startswith("not found: at least 30/s")
    none = Found(0.0, 0.0, 1.2, 5, 60.0, False, False, "no rate will do")
    assert next(iter(found_lines(none, 0.95, "ttft 1 ms", 120))).startswith("no rate has 95 % inside ttft 1 ms")


def test_a_comparison_says_what_differs_and_what_does_not() -> None:
    ttft = Statistic("TTFT from due p50", "ttft_due", "quantile")
    found = Comparison(
        "paired",
        ("a",),
        ("b",),
        200,
        (Row(ttft, 0.05, 0.06, 1.2, 1.1, 1.3), Row(ttft, 0.05, 0.05, 1.0, 0.9, 1.1)),
        ("one run a side",),
    )
    text = "\n".join(comparison_lines(found, 120))
    assert "worse" in text
    assert "no difference seen" in text
    assert "note: one run a side" in text


def test_a_summary_survives_its_json() -> None:
    summary = a_summary()
    again = msgspec.json.decode(msgspec.json.encode(summary), type=Summary)
    assert lines(again, 120) == lines(summary, 120)
