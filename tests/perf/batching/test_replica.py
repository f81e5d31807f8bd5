"""A replica of an engine: what is jumped over is as if it were stepped, and nothing is lost or made twice."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.batching import Event, Happens, Ran, Replica, Request
from headway.perf.step.shape import Limits
from headway.perf.traffic.planned import Piece
from tests.support.batching import Affine, drive, small

Offers = list[tuple[float, Request]]


@st.composite
def _offers(draw: st.DrawFn, adapters: tuple[str, ...] = ("",)) -> Offers:
    gaps = st.sampled_from((0.0, 0.003, 0.05, 0.31, 2.0))
    found: Offers = []
    at = 0.0
    for number in range(draw(st.integers(1, 14))):
        at += draw(gaps)
        shared = draw(st.integers(0, 3))
        pieces = [Piece(shared, draw(st.integers(1, 30)))] if shared else []
        pieces.append(
            Piece(
                100 + draw(st.integers(0, 2)) * 50 if draw(st.booleans()) else 1000 + number, draw(st.integers(1, 40))
            )
        )
        prompt = sum(each.tokens for each in pieces)
        answer = 5000 + number if draw(st.booleans()) else 0
        output = draw(st.integers(1, 50))
        found.append((at, Request(number, prompt, output, tuple(pieces), answer, draw(st.sampled_from(adapters)))))
    return found


def _alike(one: list[Event], other: list[Event]) -> None:
    assert [(each.kind, each.request.id, each.cached) for each in one] == [
        (each.kind, each.request.id, each.cached) for each in other
    ]
    for left, right in zip(one, other, strict=True):
        assert left.at == pytest.approx(right.at, rel=1e-9, abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(_offers(("", "", "a", "b", "c")), st.integers(31, 60), st.booleans())
def test_a_run_that_is_jumped_over_is_as_if_it_were_stepped(offers: Offers, blocks: int, caches: bool) -> None:
    one, other = (
        Replica(Affine(), small(blocks), prefix_cache=caches, adapter_slots=2, adapter_seconds=0.4, jump=jump)
        for jump in (True, False)
    )
    _alike(drive(one, offers), drive(other, offers))
    assert one.busy == pytest.approx(other.busy)


@settings(max_examples=200, deadline=None)
@given(_offers(), st.integers(31, 60))
def test_each_request_ends_once_and_blocks_return(offers: Offers, blocks: int) -> None:
    replica = Replica(Affine(), small(blocks))
    pool = replica.scheduler.blocks
    events: list[Event] = []
    for at, request in offers:
        events += replica.advance(at)
        replica.offer(request, at)
        _sound(replica)
    while (at := replica.next_event()) < math.inf:
        events += replica.advance(at)
        _sound(replica)
    ends = Counter(each.request.id for each in events if each.kind is Happens.END)
    firsts = Counter(each.request.id for each in events if each.kind is Happens.FIRST)
    assert ends == firsts == {request.id: 1 for _, request in offers}
    assert pool.free == pool.total
    assert replica.idle
    assert not replica.running
    times = [each.at for each in events]
    assert times == sorted(times)


def _sound(replica: Replica) -> None:
    """KV is never over capacity, and every block is somebody's or free."""
    scheduler = replica.scheduler
    pool = scheduler.blocks
    assert 0 <= pool.kept <= pool.free <= pool.total
    assert len(scheduler.running) <= replica.limits.most_sequences
    own = tree = 0
    nodes = set()
    for sequence in scheduler.running:
        computed = sequence.computed
        if sequence.joined >= 0:
            computed += scheduler.decoding.step - sequence.joined
        own += -(-(computed + sequence.chunk) // replica.limits.block) - sequence.kept
        node = sequence.node
        while node is not None:
            nodes.add(node)
            node = node.parent
    tree = sum(node.blocks for node in nodes)
    assert own + tree == pool.used
    assert all(node.held > 0 for node in nodes)


def test_a_prompt_alone_takes_a_step_and_each_further_token_one() -> None:
    step = Affine()
    events = drive(Replica(step, Limits(1600)), [(5.0, Request(0, 100, 4))])
    first = 5.0 + step.seconds(100, 100 * 50, 1, 0, 0)
    last = first + sum(step.seconds(0, 0, 0, 1, context) for context in (101, 102, 103))
    assert [(each.kind, pytest.approx(each.at)) for each in events] == [(Happens.FIRST, first), (Happens.END, last)]


def test_a_long_prompt_is_cut_by_the_budget_and_decodes_go_on_beside_it() -> None:
    step = Affine(step=0.0, token=1.0, pair=0.0, sequence=0.0, context=0.0)
    limits = Limits(16000, 16, 8, 10)
    watch = _Seen()
    replica = Replica(step, limits, watch=watch)
    events = drive(replica, [(0.0, Request(0, 10, 8)), (5.0, Request(1, 27, 1))])
    # 10 tokens; then beside the decode 9 of the budget are left for the second prompt, three times
    assert [(each.decodes, each.prompt) for each in watch.runs[:4]] == [(0, 10), (1, 9), (1, 9), (1, 9)]
    assert next(each.at for each in events if each.request.id == 1) == pytest.approx(37.0)


class _Seen:
    def __init__(self) -> None:
        self.runs: list[Ran] = []
        self.gaps: list[float] = []

    def ran(self, ran: Ran) -> None:
        self.runs.append(ran)

    def waited(self, seconds: float) -> None:
        self.gaps.append(seconds)


def test_a_prefix_is_found_up_to_the_last_whole_block_and_never_all_of_the_prompt() -> None:
    limits = Limits(1600, 16)
    shared = Piece(1, 64)
    offers = [
        (0.0, Request(0, 64, 1, (shared,))),
        (10.0, Request(1, 64, 1, (shared,))),  # all of it is there: the last block is computed again
        (20.0, Request(2, 100, 1, (shared, Piece(2, 36)))),
        (30.0, Request(3, 100, 1, (Piece(1, 60), Piece(3, 40)))),
        (40.0, Request(4, 100, 1, (Piece(2, 36), shared))),
    ]
    cached = {each.request.id: each.cached for each in drive(Replica(Affine(), limits), offers)}
    assert cached == {0: 0, 1: 48, 2: 64, 3: 48, 4: 0}


def test_the_next_turn_finds_the_answer_before_it() -> None:
    first = (Piece(1, 40),)
    then = (*first, Piece(2, 30), Piece(3, 20))
    offers = [(0.0, Request(0, 40, 30, first, answer=2)), (10.0, Request(1, 90, 1, then))]
    events = drive(Replica(Affine(), Limits(1600, 16)), offers)
    assert events[-1].cached == 64  # of 40 + 29 that were computed


def test_what_was_used_longest_ago_makes_room_first_and_its_end_before_its_beginning() -> None:
    limits = Limits(14 * 16, 16)

    def ask(number: int, text: int) -> Request:
        return Request(number, 81, 1, (Piece(text, 80), Piece(1000 + number, 1)))

    offers = [(float(at), ask(at, text)) for at, text in enumerate((1, 2, 1, 3, 1, 2))]
    cached = {each.request.id: each.cached for each in drive(Replica(Affine(), limits), offers)}
    # 5 + 5 + 6 blocks are more than 14: the third text takes the end of the second one, used longest ago
    assert cached == {0: 0, 1: 0, 2: 80, 3: 0, 4: 80, 5: 48}


def test_when_blocks_run_out_the_newest_is_computed_anew() -> None:
    replica = Replica(Affine(), Limits(16 * 8, 16), prefix_cache=False)
    events = drive(replica, [(0.0, Request(0, 48, 40)), (0.0, Request(1, 48, 40))])
    preempted = [each for each in events if each.kind is Happens.PREEMPTED]
    assert [each.request.id for each in preempted] == [1]
    ends = {each.request.id: each.at for each in events if each.kind is Happens.END}
    assert ends[0] < ends[1]
    assert sum(each.kind is Happens.FIRST for each in events) == 2


def test_who_leaves_is_taken_off_after_the_step_under_way() -> None:
    replica = Replica(Affine(), Limits(1600, 16, most_sequences=1))
    replica.offer(Request(0, 10, 1000), 0.0)
    replica.offer(Request(1, 10, 5), 0.0)
    replica.offer(Request(2, 10, 5), 0.0)
    assert replica.cancel(1, 0.0)
    (gone,) = replica.advance(0.0)
    assert (gone.kind, gone.request.id) == (Happens.CANCELLED, 1)
    assert [each.kind for each in replica.advance(2.0)] == [Happens.FIRST]
    assert replica.cancel(0, 2.0)
    assert not replica.cancel(7, 2.0)
    events = replica.advance(2.011)
    assert (events[0].kind, events[0].request.id) == (Happens.CANCELLED, 0)
    assert events[0].at == pytest.approx(2.0, abs=0.02)
    assert [each.request.id for each in drive(replica, [])] == [2, 2]


def test_adapters_take_turns_at_the_slots() -> None:
    replica = Replica(Affine(), Limits(16000, 16), adapter_slots=1, adapter_seconds=1.0)
    offers = [(0.0, Request(number, 10, 2, adapter=name)) for number, name in enumerate("aba")]
    ends = {each.request.id: each.at for each in drive(replica, offers) if each.kind is Happens.END}
    assert 1.0 < ends[0] == ends[2] < 1.1
    assert ends[0] + 1.0 < ends[1]
    assert replica.adapters.loads == 2


def test_what_never_fits_is_refused_with_its_size() -> None:
    replica = Replica(Affine(), Limits(1600, 16))
    with pytest.raises(UsageError, match="1000 \\+ 601 tokens, and KV for 1600 fits"):
        replica.offer(Request(0, 1000, 601), 0.0)


@settings(max_examples=50, deadline=None)
@given(_offers(), st.integers(31, 60))
def test_littles_law_and_work_conservation(offers: Offers, blocks: int) -> None:
    """The time-average number inside is the rate times the mean stay, and while anyone is inside a step runs."""
    watch = _Seen()
    replica = Replica(Affine(), small(blocks), watch=watch)
    came = {request.id: at for at, request in offers}
    events = drive(replica, offers)
    stay = {each.request.id: each.at - came[each.request.id] for each in events if each.kind is Happens.END}
    changes = sorted([(at, 1) for at in came.values()] + [(each.at, -1) for each in events if each.kind is Happens.END])
    inside = list(accumulate(change for _, change in changes))
    area = occupied = 0.0
    for (at, _), (then, _), count in zip(changes, changes[1:], inside, strict=False):
        area += count * (then - at)
        occupied += (then - at) * (count > 0)
    assert area == pytest.approx(sum(stay.values()))
    assert replica.busy == pytest.approx(occupied)
    tokens = sum(each.steps * each.decodes for each in watch.runs)
    preempted = sum(each.kind is Happens.PREEMPTED for each in events)
    assert tokens <= sum(request.output - 1 for _, request in offers)
    assert preempted or tokens == sum(request.output - 1 for _, request in offers)


def test_a_prompt_whose_keys_come_with_it_is_not_computed_again() -> None:
    watch = _Seen()
    replica = Replica(Affine(), Limits(1600, 16), watch=watch)
    events = drive(replica, [(0.0, Request(0, 101, 5, brought=100))])
    assert [(each.prompt, each.steps * each.decodes) for each in watch.runs] == [(1, 0), (0, 4)]
    assert events[-1].kind is Happens.END
    assert replica.scheduler.blocks.free == replica.scheduler.blocks.total
