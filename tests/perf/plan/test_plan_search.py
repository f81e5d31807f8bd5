"""What holds of every plan: it stays within the inventory, and asking for less never costs more."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headway.perf import predict
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture, architectures
from headway.perf.plan.asked import Asked, asked_of
from headway.perf.plan.capacity import STEPS, Replica
from headway.perf.plan.checkpoint import Checkpoint, checkpoints
from headway.perf.plan.choice import Search
from headway.perf.plan.goal import Goal
from headway.perf.plan.nearest import ways_out
from headway.perf.plan.offer import Offer
from headway.perf.plan.question import Question, Terms
from headway.perf.plan.search import search
from headway.perf.plan.split import pair_of
from headway.perf.plan.written import written
from headway.spec.check import from_json
from headway.spec.cluster import SpotWay
from headway.spec.fault import Fault
from headway.spec.model import Model
from tests.support.plan import LLAMA, demand, offers, question

LIMITS = st.builds(Goal, ttft=st.floats(0.05, 20), itl=st.floats(0.005, 1))
RATES = st.floats(0.01, 300)
COUNTS = st.lists(st.integers(0, 64), min_size=6, max_size=6)
SOME = settings(max_examples=12, deadline=None)


def forms(model: Architecture = LLAMA) -> list[Checkpoint]:
    return list(checkpoints(model, architectures().values(), online=True, asked=model.name))


FORMS = forms()
MIXED = offers()
ONE = FORMS[1:2]
"""The form of 8 bits alone: what holds of it holds of each."""


def found(asked: Question, there: list[Offer] | None = None, of: list[Checkpoint] = ONE) -> Search:
    return search(asked, of, MIXED if there is None else there)


def counted(counts: list[int]) -> list[Offer]:
    pools = sorted({each.pool for each in MIXED})
    by_pool = dict(zip(pools, [*counts, *counts], strict=False))
    return [replace(each, count=by_pool[each.pool]) for each in MIXED]


def cost(search_found: Search) -> float:
    return search_found.pick.per_hour if search_found.pick else inf


@SOME
@given(RATES, LIMITS, COUNTS)
def test_no_choice_takes_more_than_there_is(rate: float, goal: Goal, counts: list[int]) -> None:
    for choice in found(question(rate, goal), counted(counts)).choices:
        assert 0 < choice.gpus <= (choice.offer.count or 0)
        assert choice.layout.accelerators <= choice.offer.per_node
        assert choice.missed is None
        assert choice.capacity * choice.replicas.needed >= rate * 1.2 * 0.999
        assert not choice.offer.is_slice or choice.layout.accelerators == 1


@SOME
@given(RATES, LIMITS, st.floats(1, 5))
def test_looser_limits_never_cost_more(rate: float, goal: Goal, factor: float) -> None:
    looser = Goal((goal.ttft or 0) * factor, (goal.itl or 0) * factor)
    assert cost(found(question(rate, looser))) <= cost(found(question(rate, goal)))


@SOME
@given(RATES, LIMITS, COUNTS, COUNTS)
def test_more_inventory_never_costs_more(rate: float, goal: Goal, counts: list[int], more: list[int]) -> None:
    few, many = counted(counts), counted([a + b for a, b in zip(counts, more, strict=True)])
    assert cost(found(question(rate, goal), many)) <= cost(found(question(rate, goal), few))


@SOME
@given(RATES, st.floats(1, 3))
def test_less_load_never_costs_more(rate: float, factor: float) -> None:
    assert cost(found(question(rate))) <= cost(found(question(rate * factor)))


@SOME
@given(RATES)
def test_n_plus_1_is_one_replica_more(rate: float) -> None:
    plain = found(question(rate))
    careful = found(question(rate, terms=Terms(n_plus_1=True)))
    by = {(each.offer.pool, each.layout): each.replicas for each in plain.choices}
    for choice in careful.choices:
        before = by.get((choice.offer.pool, choice.layout))
        assert choice.replicas.spare == 1
        assert before is None or choice.replicas.all == before.all + 1


@SOME
@given(RATES, LIMITS)
def test_what_is_written_back_plans_to_the_same(rate: float, goal: Goal) -> None:
    asked = question(rate, goal)
    first = found(asked, [each for each in MIXED if each.preemptions is None])
    assume(first.pick is not None)
    assert first.pick is not None
    document = from_json(written(Model(name="m", source="hf://meta-llama/Llama-3.1-70B-Instruct"), first.pick, goal))
    again = search(replace(asked, asked=asked_of(document, accelerator)), FORMS, MIXED)
    same = [each for each in again.choices if each.offer == first.pick.offer]
    assert [each.layout for each in same] == [first.pick.layout]
    assert (same[0].replicas.all, same[0].per_hour) == (first.pick.replicas.all, first.pick.per_hour)
    assert same[0].felt.ttft_p95 == first.pick.felt.ttft_p95
    assert same[0].setting.kv == first.pick.setting.kv


def test_the_capacity_is_the_last_load_that_keeps_the_limits() -> None:
    choice = found(question()).choices[0]
    replica = Replica(choice.setting, demand(), question().by)
    goal = Goal(1.0, 0.1)
    assert replica.felt(choice.capacity).miss(goal) is None
    assert replica.felt(choice.capacity * 2 ** (1 / STEPS) * 1.0001).miss(goal) is not None


def test_every_refusal_says_its_number() -> None:
    refused = {each.offer.name: each.why for each in found(question(10, Goal(1.0, 0.02)), of=FORMS).refused}
    assert refused["L4"].startswith("ITL p95 ")
    assert refused["L4"].endswith("> 20 ms alone")
    assert refused["H100-SXM/1g.10gb"].startswith("73 GB of weights (fp8 quantised as it loads)")
    few = counted([2] * 6)
    assert any("there is room for" in each.why for each in found(question(200), few).refused)


def test_four_bits_are_shown_and_not_picked() -> None:
    qwen = forms(architecture("Qwen/Qwen3-32B"))
    usual = search(question(by=predict), qwen, MIXED)
    assert {each.quality for each in usual.choices} <= {"published", "8bit"}
    assert {each.quality for each in usual.others} == {"4bit"}
    published = search(question(terms=Terms(quality="published"), by=predict), qwen, MIXED)
    assert {each.quality for each in published.choices} == {"published"}
    any_of = search(question(terms=Terms(quality="4bit"), by=predict), qwen, MIXED)
    assert not any_of.others
    assert cost(any_of) <= cost(usual) <= cost(published)


def test_what_may_be_taken_away_has_more_replicas() -> None:
    often = [replace(each, preemptions=5.0, count=64) for each in MIXED if each.preemptions is not None]
    rarely = [replace(each, preemptions=0.0) for each in often]
    asked = question(30, asked=Asked(tensor=4))
    (choice,) = found(asked, often).choices
    (same,) = found(asked, rarely).choices
    assert choice.replicas.needed == same.replicas.needed
    assert choice.replicas.preempted > same.replicas.preempted
    assert choice.replicas.away > 0


def test_one_that_may_be_taken_away_is_never_alone() -> None:
    for choice in found(question(0.01), [each for each in MIXED if each.preemptions is not None]).choices:
        assert choice.replicas.all == 2


def test_the_file_is_kept_to() -> None:
    model = Model(name="m", source="hf://a/b", gpu="H100:2", args={"tensor-parallel-size": 2, "max-num-seqs": 64})
    pick = found(question(1, asked=asked_of(model, accelerator))).pick
    assert pick is not None
    assert (pick.offer.accelerator.name, str(pick.layout), pick.sequences) == ("H100-SXM", "TP2", 64)
    slices = Model(name="m", source="hf://a/b", gpu="mig-3g.40gb")
    assert {
        each.offer.accelerator.profile for each in found(question(1, asked=asked_of(slices, accelerator))).refused
    } == {"3g.40gb"}


@pytest.mark.parametrize(
    ("model", "args", "forms_left"),
    [
        ("Qwen/Qwen3-32B", {}, ["bf16", "fp8 quantised as it loads", "nvfp4 of nvidia/Qwen3-32B-NVFP4"]),
        ("Qwen/Qwen3-32B", {"quantization": "fp8"}, ["fp8 quantised as it loads"]),
        ("Qwen/Qwen3-32B-AWQ", {"quantization": "awq"}, ["int4"]),
        ("deepseek-ai/DeepSeek-V3", {"quantization": "fp8"}, ["fp8"]),
    ],
)
def test_quantisation_that_the_file_names(model: str, args: dict[str, str], forms_left: list[str]) -> None:
    asked = asked_of(Model(name="m", source=f"hf://{model}", args=args), accelerator)
    assert [each.label for each in forms(architecture(model)) if asked.allows(each)][: len(forms_left)] == forms_left


def test_replicas_that_the_file_fixes_may_miss() -> None:
    fixed = Asked(least=1, most=1, product="H100-SXM", gpu=None)
    pick = found(question(500, asked=fixed)).pick
    assert pick is not None
    assert pick.replicas.all == 1
    assert pick.missed is not None


def test_ways_out_of_what_cannot_be() -> None:
    tight = question(10, Goal(0.2, 0.1), asked=Asked(tensor=1))
    assert found(tight).pick is None
    ways = {each.change: each for each in ways_out(tight, ONE, MIXED, MIXED)}
    freed = ways["without the GPUs, replicas and args that the file fixes"]
    assert freed.choice.layout.tensor > 1
    assert freed.choice.missed is None


def test_an_absurd_limit_has_no_way_out() -> None:
    absurd = question(10, Goal(1e-6, 1e-6))
    assert found(absurd).pick is None
    assert list(ways_out(absurd, ONE, MIXED, MIXED)) == []


def test_prompts_apart_from_answers_cost_what_they_cost() -> None:
    asked = question(50, Goal(1.0, 0.05), by=predict)
    choice = search(asked, ONE, [replace(each, count=None) for each in MIXED]).choices[0]
    pair = pair_of(asked, choice)
    assert pair is not None
    assert pair.per_hour == pytest.approx(
        (pair.prefill + pair.decode) * choice.offer.price * choice.layout.accelerators
    )
    assert pair.ttft_p95 <= 1.0
    assert pair.itl_p95 <= 0.05
    assert pair_of(replace(asked, demand=demand(50, closed=True)), choice) is None


@SOME
@given(most=st.floats(1, 60))
def test_nothing_dearer_than_the_file_allows(most: float) -> None:
    whole, bounded = found(question()), found(question(asked=Asked(most_cost=most)))
    assert all(each.per_hour <= most for each in bounded.choices)
    if whole.pick and whole.pick.per_hour <= most:
        assert bounded.pick == whole.pick
    elif whole.pick and not bounded.choices:
        assert any("the file allows" in each.why for each in bounded.refused)


@pytest.mark.parametrize("way", ["only", "never", None])
def test_machines_that_may_be_taken_away_as_the_file_says(way: SpotWay | None) -> None:
    spot = {each.offer.preemptions is not None for each in found(question(asked=Asked(spot=way))).choices}
    assert spot == {"only": {True}, "never": {False}, None: {True, False}}[way]


def test_a_limit_in_another_currency_is_a_fault() -> None:
    model = from_json({"name": "m", "source": "hf://a/b", "cost": {"max": "3 EUR/h"}})
    with pytest.raises(Fault, match="found 3 EUR/h"):
        asked_of(model, accelerator, "USD")
