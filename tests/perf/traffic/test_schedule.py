"""What the schedule promises: the same for a seed, sorted, within bounds, a longer run begins with the shorter one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from hashlib import sha256
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.traffic.planned import Planned
from headway.perf.traffic.schedule import traffic
from headway.spec.check import workload_from_json
from headway.spec.presets import PRESETS, preset
from headway.spec.workload import Workload
from tests.support.statistics import kolmogorov, variation


def workload(**fields: Any) -> Workload:
    usual = {"name": "w", "arrivals": {"rate": "50/s"}, "prompt": "10..50", "output": 20}
    return workload_from_json({key: value for key, value in (usual | fields).items() if value is not None})


def planned(seed: int | None = None, **fields: Any) -> list[Planned]:
    return list(traffic(workload(**fields), seed=seed))


LENGTHS = st.sampled_from([5, "1..30", {"mean": 20, "sd": 30, "max": 200}, {"p50": 10, "p90": 40, "p99": 90}])
WORKLOADS = st.fixed_dictionaries(
    {
        "arrivals": st.sampled_from(
            [
                {"rate": "20/s"},
                {"rate": "20/s", "pattern": "constant"},
                {"rate": "1..30/s", "pattern": "gamma", "cv": 2},
            ]
        ),
        "prompt": LENGTHS,
        "output": LENGTHS,
        "context": st.sampled_from([None, 150, 1000]),
        "prefix": st.sampled_from([None, {"tokens": 30}, {"tokens": "10..50", "count": 7, "zipf": 1}]),
        "sessions": st.sampled_from(
            [None, {"turns": "1..4", "think": "100ms"}, {"turns": 3, "think": {"mean": "1s"}}, {"turns": 5}]
        ),
        "cancel": st.sampled_from([None, {"share": "30%", "after": "1..50"}]),
        "mix": st.sampled_from(
            [(), ({"weight": 3, "model": "a"}, {"weight": 1, "model": "b", "sessions": {"turns": 2}, "output": 3})]
        ),
        "seed": st.integers(0, 1000),
    }
)


@given(WORKLOADS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_promises(fields: dict[str, Any]) -> None:
    short, long = planned(**fields, **{"for": "3s"}), planned(**fields, **{"for": "7s"})
    if not str(fields["arrivals"]["rate"]).startswith("1.."):  # a ramp over more time is another ramp
        assert long[: len(short)] == short
        assert all(each.at >= 3 for each in long[len(short) :])
    assert planned(**fields, **{"for": "3s"}) == short
    assert [each.number for each in long] == list(range(len(long)))
    assert all(before.at <= after.at for before, after in pairwise(long))
    assert all(0 <= each.at < 7 for each in long)
    for each in long:
        check_bounds(each, fields)
    check_sessions(long)


def check_bounds(each: Planned, fields: dict[str, Any]) -> None:
    assert each.output_tokens >= 1
    assert all(piece.tokens >= 1 for piece in each.prompt)
    assert all(0 <= piece.id < 2**62 for piece in each.prompt)
    assert each.cancel_after is None or 1 <= each.cancel_after < each.output_tokens
    if fields["context"] is not None:
        assert each.prompt_tokens + each.output_tokens <= fields["context"]


def check_sessions(found: list[Planned]) -> None:
    """Turns count up, wait for their thinking, and hold all that was said before."""
    last: dict[int, Planned] = {}
    assert all(each.last for each in found if each.session < 0)
    for each in found:
        if each.session < 0:
            assert each.turn == 0
            continue
        before = last.get(each.session)
        if before is None:
            assert (each.turn, each.think) == (0, 0.0)
        else:
            assert not before.last
            assert each.turn == before.turn + 1
            assert each.at == pytest.approx(before.at + each.think, abs=1e-6)
            assert each.prompt[: len(before.prompt)] == before.prompt
            answer, question = each.prompt[len(before.prompt) :]
            assert answer.tokens == before.output_tokens
            assert question.id not in {piece.id for piece in before.prompt}
        last[each.session] = each


def test_a_seed_in_place_of_the_workloads_own() -> None:
    assert planned(seed=2) == planned(**{"seed": 2})
    assert planned(seed=2) != planned(seed=3)
    assert planned() == planned(seed=1)


def test_what_is_drawn_for_one_thing_moves_no_other() -> None:
    usual = planned(prefix={"tokens": 9, "count": 3}, cancel={"share": "10%"})
    longer = planned(prefix={"tokens": 9, "count": 3}, cancel={"share": "10%"}, output="500..900")
    assert [replace(each, output_tokens=0, cancel_after=None) for each in usual] == [
        replace(each, output_tokens=0, cancel_after=None) for each in longer
    ]
    denser = planned(prefix={"tokens": 9, "count": 3}, cancel={"share": "10%"}, arrivals={"rate": "500/s"})
    assert [each.prompt for each in denser[: len(usual)]] == [each.prompt for each in usual]
    assert [each.at * 10 for each in denser[: len(usual)]] == pytest.approx([each.at for each in usual])


def test_a_further_part_of_the_mix_leaves_the_others_texts() -> None:
    two = planned(mix=[{"weight": 1, "model": "a"}, {"weight": 1, "model": "b"}])
    three = planned(mix=[{"weight": 1, "model": "a"}, {"weight": 1, "model": "b"}, {"weight": 1, "model": "c"}])
    firsts = [[each.prompt for each in found if each.model == "a"][:50] for found in (two, three)]
    assert firsts[0] == firsts[1]


def test_poisson_requests_through_the_whole_of_it() -> None:
    found = planned(arrivals={"rate": "50/s"}, **{"for": "100s"})
    gaps = [after.at - before.at for before, after in pairwise(found)]
    assert variation(gaps) == pytest.approx(1, abs=0.1)
    assert kolmogorov(gaps, lambda gap: 1 - math.exp(-50 * gap)) > 0.01


def test_a_number_of_requests_in_place_of_a_time() -> None:
    made = traffic(workload(requests=500))
    found = list(made)
    assert len(found) == 500
    (stage,) = made.stages
    assert found[-1].at < stage.end < found[-1].at + 1
    assert len(list(traffic(workload(**{"for": f"{stage.end!r}s"})))) == 500
    even = traffic(workload(requests=500, arrivals={"rate": "50/s", "pattern": "constant"}))
    assert even.seconds == pytest.approx(10)


def test_stages_have_their_names_rates_and_requests() -> None:
    arrivals = {"stages": [{"name": "rise", "rate": "0..100/s", "for": "20s"}, {"rate": "100/s", "for": "10s"}]}
    made = traffic(workload(arrivals=arrivals))
    assert [(each.name, each.start, each.end, each.rate, each.cv, each.ramp) for each in made.stages] == [
        ("rise", 0.0, 20.0, 50.0, 1.0, True),
        ("2", 20.0, 30.0, 100.0, 1.0, False),
    ]
    found = list(made)
    assert all(made.stages[each.stage].start <= each.at < made.stages[each.stage].end for each in found)
    assert [*made.of(0), *made.of(1)] == found
    assert made.seconds == 30


def test_sessions_keep_the_rate_of_requests_from_the_start() -> None:
    """Were there no talks from before the start, the first seconds would have a quarter of the requests."""
    sessions = {"turns": 4, "think": "10s"}
    counts = [0, 0, 0]
    for seed in range(1, 11):
        for each in planned(seed, sessions=sessions, arrivals={"rate": "20/s"}, **{"for": "30s"}):
            counts[int(each.at // 10)] += 1
    # A session's requests are 10 s apart: within one third each talk counts once.
    for count in counts:
        assert count == pytest.approx(2000, abs=4 * math.sqrt(2000))


def test_talks_from_before_the_start_bring_their_history() -> None:
    found = planned(sessions={"turns": 4, "think": "10s"}, prompt=10, output=5, **{"for": "60s"})
    firsts = Counter(each.prompt_tokens for each in found if each.turn == 0 and each.at < 5)
    assert set(firsts) == {10, 25, 40, 55}
    assert max(firsts.values()) < 3 * min(firsts.values())
    assert {each.prompt_tokens for each in found if each.turn == 0 and each.at > 31} == {10}


@pytest.mark.parametrize("context", [None, 300])
def test_weights_are_shares_of_requests_however_long_the_talks(context: int | None) -> None:
    mix = [
        {"weight": 3, "model": "a", "sessions": {"turns": "2..10", "think": "100ms"}},
        {"weight": 1, "model": "b"},
    ]
    found = planned(mix=mix, context=context, arrivals={"rate": "200/s"}, **{"for": "60s"})
    counts = Counter(each.model for each in found)
    assert counts["a"] / len(found) == pytest.approx(0.75, abs=0.03)
    assert len(found) == pytest.approx(12000, rel=0.05)


def test_prefixes_are_shared_as_zipf_says() -> None:
    found = planned(prefix={"tokens": "10..90", "count": 50, "zipf": 1}, arrivals={"rate": "1000/s"}, **{"for": "20s"})
    counts = Counter(each.prompt[0] for each in found)
    assert len(counts) == 50
    ranked = [count for _, count in counts.most_common()]
    harmonic = sum(1 / rank for rank in range(1, 51))
    for rank in (1, 2, 5, 10, 50):
        wanted = len(found) / rank / harmonic
        assert ranked[rank - 1] == pytest.approx(wanted, abs=5 * math.sqrt(wanted)), rank
    sizes = defaultdict(set)
    for each in found:
        sizes[each.prompt[0].id].add(each.prompt[0].tokens)
    assert all(len(each) == 1 for each in sizes.values())
    own = [each.prompt[1].id for each in found]
    assert len(set(own)) == len(own)


def test_parts_with_the_same_prefix_share_its_text() -> None:
    mix = [{"tenant": "a"}, {"tenant": "b"}, {"tenant": "c", "prefix": {"tokens": 99}}]
    found = planned(prefix={"tokens": 30}, mix=mix)
    firsts = {tenant: {each.prompt[0] for each in found if each.tenant == tenant} for tenant in "abc"}
    assert firsts["a"] == firsts["b"]
    assert firsts["c"].isdisjoint(firsts["a"])
    assert {each.part for each in found} == {0, 1, 2}


def test_cancellations_are_so_many() -> None:
    found = planned(cancel={"share": "20%", "after": 5}, arrivals={"rate": "1000/s"}, **{"for": "20s"})
    leaving = [each for each in found if each.cancel_after is not None]
    assert len(leaving) / len(found) == pytest.approx(0.2, abs=0.02)
    assert {each.cancel_after for each in leaving} == {5}


def test_a_window_cuts_the_end_of_a_question() -> None:
    found = planned(prompt=5000, output=100, context=1000, prefix={"tokens": 200})
    assert {(each.prompt_tokens, each.output_tokens, each.prompt[0].tokens) for each in found} == {(900, 100, 200)}
    tiny = planned(prompt=50, output=100, context=60, prefix={"tokens": 200})
    assert {(each.prompt_tokens, each.output_tokens) for each in tiny} == {(1, 59)}


def test_embeddings_have_no_answer_and_no_stream() -> None:
    found = planned(operation="embedding", output=None)
    assert {(each.operation, each.output_tokens, each.stream) for each in found} == {("embedding", 0, False)}


def test_callers_that_wait() -> None:
    made = traffic(workload(arrivals={"concurrency": 8}, **{"for": "30s"}))
    (stage,) = made.stages
    assert (stage.concurrency, stage.rate, stage.end, stage.cv) == (8, None, 30.0, None)
    some = list(islice(made.of(0), 1000))
    assert some == list(islice(iter(made), 1000))
    assert {each.at for each in some} == {0.0}
    assert len({each.number for each in some}) == 1000
    counted = traffic(workload(arrivals={"concurrency": 8}, requests=100))
    assert len(list(counted)) == 100
    assert counted.seconds == math.inf


def test_stages_of_callers_are_apart_and_share_prefixes_alone() -> None:
    stages = [{"concurrency": 1, "for": "5s"}, {"concurrency": 9, "for": "5s"}]
    made = traffic(workload(arrivals={"stages": stages}, prefix={"tokens": "5..90", "count": 3}))
    first, second = (list(islice(made.of(stage), 200)) for stage in (0, 1))
    assert {each.at for each in second} == {5.0}
    assert {each.stage for each in second} == {1}
    shared = {piece for each in first for piece in each.prompt} & {piece for each in second for piece in each.prompt}
    assert len(shared) == 3
    assert {each.number for each in first}.isdisjoint({each.number for each in second})


def test_sessions_of_callers_that_wait_come_turn_by_turn() -> None:
    made = traffic(workload(arrivals={"concurrency": 2}, sessions={"turns": 3, "think": "1s"}))
    found = list(islice(made.of(0), 9))
    assert [(each.session, each.turn, each.think) for each in found] == [
        (session, turn, 1.0 if turn else 0.0) for session in range(3) for turn in range(3)
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_built_in_makes_the_rate_it_says(name: str) -> None:
    changed = preset(name).model_dump(mode="json", exclude_none=True) | {"arrivals": {"rate": "20/s"}, "for": "300s"}
    found = list(traffic(workload_from_json(changed)))
    assert len(found) / 300 == pytest.approx(20, rel=0.15)  # talks of many turns scatter more than requests alone
    assert all(each.prompt_tokens for each in found)


def test_a_trace_is_to_be_handed_over() -> None:
    replay = workload_from_json({"name": "w", "trace": {"file": "/a.csv"}})
    with pytest.raises(UsageError, match=r"w replays /a\.csv; hand the trace over"):
        traffic(replay)


def test_schedules_have_not_moved() -> None:
    """What was measured yesterday is sent again tomorrow: on another machine, by another Python, by a later Headway. To
    change this digest is to make every stored run incomparable: say so in the release notes."""
    told = sha256()
    for fields in (
        {
            "arrivals": {"rate": "5..80/s", "pattern": "gamma", "cv": 2.5},
            "prompt": {"mean": 300, "sd": 900, "max": 8000},
        },
        {"prompt": {"p50": 100, "p90": 700}, "sessions": {"turns": "1..5", "think": {"mean": "2s"}}, "context": 4000},
        {"prefix": {"tokens": "5..90", "count": 9, "zipf": 0.8}, "cancel": {"share": "10%", "after": "1..9"}},
    ):
        for each in planned(**fields, **{"for": "20s"}):
            pieces = [(piece.id, piece.tokens) for piece in each.prompt]
            said = (
                each.number,
                f"{each.at:.6f}",
                pieces,
                each.output_tokens,
                each.session,
                each.turn,
                each.cancel_after,
            )
            told.update(repr(said).encode())
    assert told.hexdigest()[:16] == "864d91d33a0d0f52"
