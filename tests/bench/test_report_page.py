"""The report in a real browser: everything is there, nothing is asked of anybody, nothing hostile runs, a phone can
read it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from headway.bench.facts import Generator, RunFacts, ServerSample, StageFacts
from headway.bench.find import Stage
from headway.bench.record import Record
from headway.bench.report.page import curve_page, page, search_page
from headway.bench.schema import Slo
from headway.bench.search import Found, Seen
from headway.bench.summary import summarise
from headway.bench.sweep import point
from headway.bench.trial import Trial
from tests.support.web import browser, console_errors, look, shown

HOSTILE = '</td><script>document.title = "taken"</script><img src=x onerror="document.title=1">'
LIMITS = [Slo(ttft=0.2, itl=0.05)]


def a_trial(rate: float = 20.0, capacity: float = 12.0, seconds: float = 40.0, **given: Any) -> Trial:
    """A server that lets `capacity` a second in; two models, two tenants, some failures."""
    records = []
    for i in range(int(rate * seconds)):
        due = i / rate
        first = max(due, i / capacity) + 0.05 + 0.02 * math.sin(i)
        gaps = [10_000 + 4000 * ((i * k) % 5) for k in range(9)]
        ended = first + sum(gaps) / 1e6
        record = Record(
            number=i,
            stage=0,
            operation="chat",
            model=given.get("model", "small") if i % 3 else "big",
            tenant="gold" if i % 4 else "",
            due=due,
            started=due + 0.0003,
            sent=due + 0.0004,
            first_byte=first,
            first=first,
            last=ended,
            ended=ended,
            status=200,
            prompt_tokens=200,
            wanted_tokens=10,
            output_tokens=10,
            gaps=gaps,
            sizes=[1] * 10,
            sized_by="tokens",
        )
        if i % 40 == 39:
            record = Record(
                number=i,
                stage=0,
                operation="chat",
                model="big",
                due=due,
                started=due,
                sent=due,
                ended=due + 0.01,
                status=429,
                error="http",
                said=given.get("said", "too many"),
            )
        records.append(record)
    facts = RunFacts(
        target=given.get("target", "http://127.0.0.1:9000"),
        workload=given.get("workload", "chat"),
        seed=1,
        started_at=1.8e9,
        ended=max(each.ended or 0 for each in records),
        stages=[StageFacts("1", 0.0, seconds, rate, cv=0.0)],
        generators=[Generator(1.2, 0.08, [0.0002] * 500)],
        server=[
            ServerSample(
                float(at), {"vllm:num_requests_running": 8.0, "vllm:num_requests_waiting": at * (rate - capacity)}
            )
            for at in range(int(seconds))
        ],
    )
    return Trial(records, facts, summarise(records, facts, LIMITS))


def a_search() -> tuple[Found, list[Stage]]:
    stages = []
    for rate in (5.0, 15.0, 10.0, 12.0):
        trial = a_trial(rate, seconds=20)
        stages.append(
            Stage(rate, Seen(rate, (rate <= 12,) * 50, 20.0, overloaded=rate > 12, answered=min(rate, 12)), trial)
        )
    return Found(12.0, 11.5, 12.4, 4, 80.0, True, False, "the load that may be spent is spent"), stages


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("chromium")) as made:
        yield made


def opened(chrome: Chrome, folder: Path, html: str, *, width: int = 1280, dark: bool = False) -> Chrome:
    (file := folder / "report.html").write_text(html)
    look(chrome, width=width, height=900, dark=dark)
    chrome.get(file.as_uri())
    return chrome


def test_a_run(chrome: Chrome, tmp_path: Path) -> None:
    opened(chrome, tmp_path, page(a_trial()))
    assert console_errors(chrome) == []
    told = shown(chrome)
    assert "OVERLOADED" in told.split("\n\n")[0] or "OVERLOADED" in told[:400]
    for words in (
        "TTFT from due",
        "TTFT from sent",
        "inside the SLO",
        "Time to first token",
        "Time between tokens",
        "Requests a second",
        "Requests at once",
        "waiting at the server",
        "By model",
        "By tenant",
        "big",
        "gold",
        "429",
        "send lag",
        "ended - due",
    ):
        assert words in told, words
    assert chrome.execute_script("return document.querySelectorAll('svg[role=img]').length") >= 6  # type: ignore[no-untyped-call]


def test_it_asks_nobody_for_anything(chrome: Chrome, tmp_path: Path) -> None:
    html = page(a_trial())
    assert not re.search(r"""(src|href)=(?!["']?data:)""", html)
    assert "url(" not in html
    assert len(html) < 400_000
    opened(chrome, tmp_path, html)
    assert chrome.execute_script("return performance.getEntriesByType('resource').length") == 0  # type: ignore[no-untyped-call]


def test_words_from_outside_are_words(chrome: Chrome, tmp_path: Path) -> None:
    html = page(a_trial(model=HOSTILE, said=HOSTILE, workload=HOSTILE, target=f"http://h/{HOSTILE}"))
    opened(chrome, tmp_path, html)
    assert chrome.title.startswith("headway bench:")
    assert chrome.execute_script("return document.scripts.length + document.images.length") == 0  # type: ignore[no-untyped-call]
    assert "onerror" in shown(chrome)


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off(chrome: Chrome, tmp_path: Path, width: int, dark: bool) -> None:
    """Tables may be moved sideways within their frame; the page itself never, and labels of an axis do not overlap."""
    opened(chrome, tmp_path, page(a_trial()), width=width, dark=dark)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width  # type: ignore[no-untyped-call]
    overlaps = chrome.execute_script("""
        return [...document.querySelectorAll('.xs')].flatMap((axis) => {
          const boxes = [...axis.querySelectorAll('span')].map((s) => s.getBoundingClientRect()).filter((b) => b.width);
          return boxes.slice(1).filter((box, i) => box.left < boxes[i].right).map((box) => axis.innerText);
        });""")  # type: ignore[no-untyped-call]
    assert overlaps == []
    small = chrome.execute_script(  # type: ignore[no-untyped-call]
        "return [...document.querySelectorAll('.frame span')]"
        ".filter((s) => parseFloat(getComputedStyle(s).fontSize) < 10.5).length"
    )
    assert small == 0


def test_a_search_and_a_curve(chrome: Chrome, tmp_path: Path) -> None:
    found, stages = a_search()
    opened(chrome, tmp_path, search_page(found, stages, 0.95))
    told = shown(chrome)
    for words in (
        "12/s",
        "is the highest rate with 95 % inside ttft 200 ms",
        "Stages",
        "overloaded",
        "The stage at 12/s",
    ):
        assert words in told, words
    none = search_page(replace(found, rate=0.0, low=0.0, why="no rate will do"), stages, 0.95)
    assert "No rate" in none
    opened(chrome, tmp_path, curve_page([(point(each.trial), each.trial) for each in stages]))
    told = shown(chrome)
    for words in ("Latency by rate", "Answered by rate", "Points", "TTFT p99"):
        assert words in told, words
    assert console_errors(chrome) == []


def test_a_run_with_nothing_in_it_is_still_a_page(chrome: Chrome, tmp_path: Path) -> None:
    facts = RunFacts("http://h", "w", 1, 1.8e9, 0.0, [StageFacts("1", 0.0, 10.0, 5.0, cv=1.0)])
    opened(chrome, tmp_path, page(Trial([], facts, summarise([], facts, None))))
    assert "INVALID" in shown(chrome)
