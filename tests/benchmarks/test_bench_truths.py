"""What the benchmark of `headway bench` takes for true, from a server's log; and its tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.bench.asked import Told
from benchmarks.bench.report import Report
from benchmarks.bench.running import run_to_end
from benchmarks.bench.search import Found
from benchmarks.bench.seen import Seen
from benchmarks.bench.tokenizer import make_tokenizer
from benchmarks.bench.truths import Truth, lags, largest_rate, truth
from benchmarks.gateway.process import BenchError
from headway.engines.mock_arrivals import Arrival


def arrival(came: float, first: float, last: float, tokens: int = 5) -> Arrival:
    return Arrival(0, 0, "/v1/chat/completions", came, first, last, last, tokens, 200, "")


def test_lags_are_against_a_schedule_that_none_is_ahead_of() -> None:
    assert lags([10.0, 10.5, 11.0], 2) == [0, 0, 0]
    assert lags([10.0, 10.6, 11.0], 2) == pytest.approx([0, 0.1, 0])
    assert lags([10.2, 10.5, 11.0], 2) == pytest.approx([0.2, 0, 0])


def test_the_truth_of_a_tool_that_waits_for_answers() -> None:
    """Asked 10/s, it sent 5/s: each had its token after 0.1 s, but the last should have been sent 0.9 s earlier."""
    seen = [arrival(index * 0.2, index * 0.2 + 0.1, index * 0.2 + 0.14) for index in range(10)]
    true = truth(seen, rate=10, limit=0.25)
    assert true.rate == pytest.approx(5)
    assert true.ttft == pytest.approx(0.1)
    assert true.itl == pytest.approx(0.01)
    assert true.waited_p99 == pytest.approx(0.1 + 0.9)
    assert true.waited_p50 == pytest.approx(0.1 + 0.4)
    assert true.good == pytest.approx(0.2)
    assert true.lag_p99 == pytest.approx(0.9)


@pytest.mark.parametrize(("capacity", "limit"), [(10, 1.0), (100, 0.1)])
def test_the_largest_rate_is_that_of_the_queue(capacity: float, limit: float) -> None:
    """M/D/1: P(wait > t) is about exp(-2 (1 - rho) t / (rho * service)) when there is much to do (Kingman)."""
    rate = largest_rate(capacity, 0.0, limit, 0.95, arrivals=50_000)
    assert 0.8 * capacity < rate < capacity
    assert largest_rate(capacity, 0.0, 10 * limit, 0.95, arrivals=50_000) > rate


def test_a_program_is_measured_with_its_children_and_ends_in_time(tmp_path: Path) -> None:
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('done')"
    ran = run_to_end([sys.executable, "-c", code], 0, tmp_path, {}, 60)
    assert (ran.code, ran.output) == (0, "done\n")
    assert ran.cpu > 0.2
    with pytest.raises(BenchError, match=r"not done after 0 s"):
        run_to_end([sys.executable, "-c", "import time; time.sleep(60)"], 0, tmp_path, {}, 0.3)


def test_the_tokenizer_has_a_token_a_word(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is no dependency of Headway's")
    made = tokenizers.Tokenizer.from_file(str(make_tokenizer(tmp_path) / "tokenizer.json"))
    assert made.encode("w1 w20 w300 nobody").ids[:3] == [5, 24, 304]


def test_the_tables_say_what_was_seen() -> None:
    true = Truth(100, 20.0, 8.0, 0.05, 0.01, 0.001, 0.004, 4.5, 8.5, 0.02)
    told = Told(0.052, 0.06, 0.0105, 8.1, 1.0, "all is well")
    cases = ("plain", "stream", "stream, few", "as it comes")
    seen = [Seen("aiperf", case, 0, 10.0, 2.0, 4.0, true, told) for case in cases]
    seen.append(Seen("headway", "plain", 0, fault="it burst"))
    found = [Found("capacity 30/s", 30.0, 29.4, 28.0, 30.5, 61.0, 7)]
    text = Report(seen, found, {"headway": "1", "aiperf": "2"}, {"guidellm": "no network"}, "a machine").markdown()
    rows = {
        row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]]
        for row in text.splitlines()
        if row.startswith("|")
    }
    assert rows["aiperf, as it comes"] == ["0.05 s", "0.06 s", "100%", "4.50 s", "8.50 s", "2%"]
    assert rows["capacity 30/s"] == ["30.0", "29.4", "28.0 to 30.5", "-2.0%", "61", "7"]
    assert "+2.00 | +0.50" in " ".join(text.split())
    assert "- `aiperf, as it comes`: all is well" in text
    assert "- `guidellm` is missing: no network" in text
    assert "- `headway`, plain, round 1: it burst" in text
