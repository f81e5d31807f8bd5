"""Latencies that are known are found, within 1 ms + 2 %, whatever shape the stream has; and what is no answer counts as
none.

One engine gives its scripts to the requests in turn; what each should have measured is what the engine wrote down for
that very request. Medians, and times long enough, keep a busy machine out of it.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

from headway.bench.measures import measured
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.engines.mock_arrivals import Arrival
from tests.support.bench import Run, bench, paired, quantile, workload
from tests.support.mock_engine import engines

Pairs = list[tuple[Record, Arrival]]

TTFT, ITL, TOKENS = 0.2, 0.02, 25
SCRIPTS = (
    "",
    "chunk=4",
    "first=empty",
    "usage=last",
    "usage=continuous chunk=3",
    "keep-alive=15ms",
    "split=utf8",
    "split=tcp",
    "split=tcp first=empty chunk=5 usage=continuous",
    "keep-alive=7ms first=empty chunk=24",
)
EACH = 3


async def golden(folder: Path, operation: str) -> tuple[Run, Pairs]:
    """EACH requests of each script, 25 a second, all of the same length."""
    log = folder / "arrivals.jsonl"
    scripts = [word for script in SCRIPTS for word in ("--script", script)]
    load = workload(
        operation=operation,
        arrivals={"rate": "25/s", "pattern": "constant"},
        requests=EACH * len(SCRIPTS),
        output=TOKENS,
        warmup="0s",
    )
    async with engines("--ttft", str(TTFT), "--itl", str(ITL), *scripts, "--arrivals", str(log)) as to:
        run = await bench(to, load)
    return run, paired(run.records, log)


@pytest.fixture(scope="module", params=["chat", "completion"])
def known(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Pairs]:
    return asyncio.run(golden(tmp_path_factory.mktemp("golden"), request.param))


def best(found: Sequence[float], true: Sequence[float]) -> tuple[float, float]:
    """The pair that is nearest: what is wrong with a reading of a stream is wrong with every one of them, what a busy
    machine does to one is not."""
    return min(zip(found, true, strict=True), key=lambda pair: abs(pair[0] - pair[1]))


def near(pair: tuple[float, float]) -> bool:
    """The issue's own tolerance."""
    return abs(pair[0] - pair[1]) <= 0.001 + 0.02 * pair[1]


def wrong(pairs: Pairs) -> list[tuple[str, str, tuple[float, float]]]:
    """Scripts of which no request was read right: script, measure, the nearest reading and what was true."""
    faults = []
    for index, script in enumerate(SCRIPTS):
        mine = pairs[index :: len(SCRIPTS)]
        found = measured([record for record, _ in mine])
        truths = [truth for _, truth in mine]
        readings = {
            "ttft": best(found.ttft_send, [(each.first or 0) - each.came for each in truths]),
            "tpot": best(found.tpot, [((each.last or 0) - (each.first or 0)) / (each.tokens - 1) for each in truths]),
            "e2e": best(found.e2e_send, [each.ended - each.came for each in truths]),
            "tpot as promised": best(found.tpot, [ITL] * len(mine)),
        }
        faults += [(script, name, pair) for name, pair in readings.items() if not near(pair)]
    return faults


def test_known_latencies_are_found_in_every_stream(known: tuple[Run, Pairs], tmp_path: Path) -> None:
    """Once more, twice at most, for a machine on which every request of some script was held up."""
    run, pairs = known
    for again in range(2):
        if not wrong(pairs):
            break
        (folder := tmp_path / str(again)).mkdir()
        pairs = pairs + asyncio.run(golden(folder, run.records[0].operation))[1]
    assert wrong(pairs) == []
    assert {(each.error, each.output_tokens) for each in run.records} == {("", TOKENS)}
    found = measured(run.records)
    assert list(found.ntpot) == pytest.approx([each / TOKENS for each in found.e2e_sched])


def test_gaps_are_weighted_by_the_tokens_of_their_chunks(known: tuple[Run, Pairs]) -> None:
    """20 ms a token, told in chunks of 1 to 24: each token has its part of its chunk's gap."""
    run, _ = known
    samples: list[float] = []
    for record in run.records:
        assert sum(record.sizes) in (TOKENS, TOKENS * 4), "tokens where each event told, else bytes of text"
        scale = TOKENS / sum(record.sizes)
        for gap, size in zip(record.gaps, record.sizes[1:], strict=True):
            tokens = round(size * scale)
            samples += [gap / 1e6 / tokens] * tokens
        assert sum(record.gaps) / 1e6 == pytest.approx((record.last or 0) - (record.first or 0), abs=0.001)
    itl = run.summary().whole.latency.itl
    assert itl.count == len(samples) == len(run.records) * (TOKENS - 1)
    assert itl.mean == pytest.approx(statistics.fmean(samples), abs=1e-6)
    assert itl.p50 == pytest.approx(quantile(samples, 0.5), abs=1e-5)
    assert itl.p99 == pytest.approx(quantile(samples, 0.99), abs=1e-5)


def test_the_first_chunk_is_the_first_with_content(known: tuple[Run, Pairs]) -> None:
    """An event without a token comes at once, and is none."""
    _, pairs = known
    mine = pairs[SCRIPTS.index("first=empty") :: len(SCRIPTS)]
    assert min((record.first_byte or 9) - (record.sent or 0) for record, _ in mine) < TTFT / 2
    for record, truth in mine:
        assert record.first is not None
        assert record.first - record.due >= (truth.first or 0) - truth.came - 0.002


async def faulty(folder: Path, *flags: str, **fields: object) -> tuple[Run, Pairs]:
    """Twenty requests, of 10 tokens each."""
    log = folder / "arrivals.jsonl"
    load = workload(arrivals={"rate": "40/s", "pattern": "constant"}, requests=20, warmup="0s", **fields)
    async with engines("--ttft", "0.02", "--itl", "0.005", *flags, "--arrivals", str(log)) as to:
        run = await bench(to, load, slo=Slo(ttft=10.0))
    return run, paired(run.records, log)


def one_of(records: Sequence[Record]) -> Record:
    """They are all alike."""
    first = records[0]
    assert {(each.status, each.error) for each in records} == {(first.status, first.error)}
    return first


async def test_an_error_in_mid_stream_is_a_failure_and_a_miss(tmp_path: Path) -> None:
    run, pairs = await faulty(tmp_path, "--fault", "error-after=4")
    assert [truth.tokens for _, truth in pairs] == [4] * 20
    one = one_of(run.records)
    assert (one.status, one.error) == (200, "stream")
    assert "told to fail after 4 tokens" in one.said
    figures = run.summary().whole
    assert (figures.requests.failed, figures.requests.answered) == (20, 0)
    assert figures.goodput is not None
    assert figures.goodput.inside.share == 0


@pytest.mark.parametrize("fault", ["reset-after=4", "half-close-after=4", "no-done"])
async def test_an_answer_that_is_cut_short_is_a_failure(fault: str, tmp_path: Path) -> None:
    run, pairs = await faulty(tmp_path, "--fault", fault)
    assert len(pairs) == 20
    assert all(each.error for each in run.records)
    assert run.summary().whole.requests.failed == 20


async def test_a_refusal_is_told_with_its_retry_after_and_never_tried_again(tmp_path: Path) -> None:
    run, pairs = await faulty(tmp_path, "--fault", "status=429;retry-after=3")
    assert [truth.status for _, truth in pairs] == [429] * 20
    one = one_of(run.records)
    assert (one.status, one.error, one.retry_after) == (429, "http", 3.0)
    summary = run.summary(undisturbed=True)
    assert summary.whole.requests.failures == {"429": 20}
    assert summary.verdict.exit_code == 1


async def test_refusals_are_beyond_every_percentile(tmp_path: Path) -> None:
    """Some of 20 are refused: in the percentiles they are longer than any, in the SLO they are misses."""
    run, pairs = await faulty(tmp_path, "--fault", "status=429", "--fault-share", "0.3", "--seed", "4")
    refused = sum(truth.status == 429 for _, truth in pairs)
    assert 0 < refused < 10
    figures = run.summary().whole
    assert (figures.requests.failed, figures.requests.answered) == (refused, 20 - refused)
    assert figures.latency.ttft_sched.beyond == refused
    assert figures.latency.ttft_sched.p50 is not None
    assert figures.latency.ttft_sched.p99 is None
    assert figures.goodput is not None
    assert (figures.goodput.inside.inside, figures.goodput.inside.of) == (20 - refused, 20)


@pytest.mark.parametrize(("script", "tokens"), [("tokens=+5", 15), ("tokens=-5", 5)])
async def test_more_or_fewer_tokens_than_asked_are_counted_as_they_came(
    script: str, tokens: int, tmp_path: Path
) -> None:
    run, pairs = await faulty(tmp_path, "--script", script)
    assert [truth.tokens for _, truth in pairs] == [tokens] * 20
    assert {(each.output_tokens, each.wanted_tokens) for each in run.records} == {(tokens, 10)}
    told = run.summary().whole.tokens
    assert (told.longer, told.shorter) == ((20, 0) if tokens > 10 else (0, 20))
    assert told.output == 20 * tokens


async def test_without_usage_nothing_is_made_up(tmp_path: Path) -> None:
    run, _ = await faulty(tmp_path, "--script", "usage=none")
    assert {(each.error, each.output_tokens) for each in run.records} == {("", None)}
    assert run.summary().whole.tokens.without_usage == 20


async def test_who_leaves_is_no_failure_and_the_server_sees_it(tmp_path: Path) -> None:
    """Half of the callers leave after three tokens of ten."""
    run, pairs = await faulty(tmp_path, cancel={"share": 0.5, "after": 3})
    left = {each.number for each in run.records if each.error == "cancelled"}
    assert 3 < len(left) < 17
    assert {record.number for record, truth in pairs if truth.tokens < 10} == left
    figures = run.summary().whole
    assert (figures.requests.cancelled, figures.requests.failed) == (len(left), 0)
    assert figures.goodput is not None
    assert figures.goodput.inside.of == 20 - len(left)


async def test_an_answer_in_one_piece_has_its_whole_time(tmp_path: Path) -> None:
    run, pairs = await faulty(tmp_path, stream=False)
    e2e = best(measured([record for record, _ in pairs]).e2e_send, [truth.ended - truth.came for _, truth in pairs])
    assert near(e2e)
    assert e2e[0] >= 0.02 + 9 * 0.005
    assert all(each.first is None for each in run.records)
