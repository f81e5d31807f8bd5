"""The prefix index against one that is plainly right; and what the field's indexes got wrong."""

from __future__ import annotations

import random
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.policy.prefix import BOUNDARIES, PrefixIndex, chain
from tests.support.routing import PlainIndex, dice

SLOTS = tuple(range(5))
KIB = 1024


def text(seed: int, size: int) -> bytes:
    return dice(seed).randbytes(size)


def fresh(draw: random.Random, blocks: int) -> list[int]:
    return [draw.getrandbits(64) for _ in range(blocks)]


# chains


@given(st.integers(0, 40_000), st.integers(0, 40_000), st.integers(0, 3))
@settings(max_examples=60)
def test_prompts_share_the_blocks_of_their_common_beginning_and_no_others(common: int, rest: int, seed: int) -> None:
    start = text(seed, common)
    left, right = (chain(7, start + bytes([mark]) + text(mark, rest)) for mark in (1, 2))
    shared = sum(one == other for one, other in zip(left, right, strict=True))
    assert shared == sum(end <= common for end in BOUNDARIES[1:])
    assert left[:shared] == right[:shared]


def test_blocks_grow_and_what_is_beyond_the_last_is_not_looked_at() -> None:
    sizes = [end - begin for begin, end in pairwise(BOUNDARIES)]
    assert sizes == sorted(sizes)
    assert (len(chain(0, bytes(511))), len(chain(0, bytes(512))), len(chain(0, bytes(32 * KIB)))) == (0, 1, 28)
    assert len(chain(0, bytes(3 << 20))) == len(BOUNDARIES) - 1 == 100


def test_another_seed_shares_nothing() -> None:
    data = text(1, 64 * KIB)
    assert not set(chain(1, data)) & set(chain(2, data))


def test_equal_blocks_at_different_places_differ() -> None:
    assert len(set(chain(0, bytes(64 * KIB)))) == len(chain(0, bytes(64 * KIB)))


# the index


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, list[int], int]]:
    """Inserts of prompts that grow out of each other, and restarts."""
    prompts: list[list[int]] = [[]]
    steps = []
    for number in range(draw(st.integers(1, 40))):
        parent = prompts[draw(st.integers(0, len(prompts) - 1))]
        kept = parent[: draw(st.integers(0, len(parent)))]
        prompt = (kept + [number * 1000 + at for at in range(draw(st.integers(0, 12)))])[: len(BOUNDARIES) - 1]
        prompts.append(prompt)
        kind = "forget" if draw(st.integers(0, 9)) == 0 else "insert"
        steps.append((kind, prompt, draw(st.sampled_from(SLOTS))))
    return steps


@given(histories())
@settings(max_examples=300)
def test_with_room_enough_it_knows_exactly_what_was_routed(steps: list[tuple[str, list[int], int]]) -> None:
    index, plain = PrefixIndex(), PlainIndex()
    for kind, prompt, slot in steps:
        if kind == "forget":
            index.forget(slot)
            plain.forget(slot)
        else:
            assert index.insert(prompt, slot) == plain.insert(prompt, slot)
        for _, other, _ in steps:
            assert index.match(other, SLOTS) == plain.match(other, SLOTS)


@given(histories(), st.integers(10, 60), st.integers(2_000, 60_000))
@settings(max_examples=300)
def test_short_of_memory_or_room_it_claims_less_and_never_what_was_not_routed(
    steps: list[tuple[str, list[int], int]], capacity: int, room: int
) -> None:
    index, plain = PrefixIndex(capacity), PlainIndex()
    for slot in SLOTS:
        index.room(slot, room)
    for kind, prompt, slot in steps:
        if kind == "forget":
            index.forget(slot)
            plain.forget(slot)
        else:
            index.insert(prompt, slot)
            plain.insert(prompt, slot)
        for _, other, _ in steps:
            told = zip(index.match(other, SLOTS), plain.match(other, SLOTS), strict=True)
            assert all(claimed <= true for claimed, true in told)


def test_it_is_bounded_however_much_is_routed() -> None:
    draw, index = dice(3), PrefixIndex(10_000)
    for slot in range(8):
        index.room(slot, 200 * KIB)  # claims grow old all the time: columns must be used again
    for _ in range(20_000):
        index.insert(fresh(draw, draw.randrange(1, 30)), draw.randrange(8))
        assert index.stats().blocks <= 10_000 + 30
    assert index.stats().rotations > 10
    assert index.stats().columns < 300


@pytest.mark.parametrize("endpoints", [8, 500])
def test_200_000_blocks_take_less_than_40_mib(endpoints: int) -> None:
    draw = dice(5)
    tracemalloc.start()
    try:
        index = PrefixIndex(200_000)
        most = 0
        while index.stats().rotations < 3:
            index.insert(fresh(draw, 25), draw.randrange(endpoints))
            most = max(most, index.stats().blocks)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most > 190_000
    assert taken < 40 << 20


def test_a_prefix_in_use_outlives_what_is_not() -> None:
    """Generations turn around it; a branch is never older than the trunk that leads to it."""
    draw, index = dice(8), PrefixIndex(2_000)
    index.room(0, 1 << 40)
    index.room(1, 1 << 40)
    system, once = fresh(draw, 10), fresh(draw, 10)
    index.insert(once, 0)
    for _ in range(1_000):
        index.insert(system + fresh(draw, 2), 0)
        index.insert(fresh(draw, 10), 1)
    assert index.stats().rotations > 5
    assert index.match(system, (0, 1)) == [BOUNDARIES[10], 0]
    assert index.match(once, (0,)) == [0]


def test_the_longest_match_of_each_endpoint_is_its_own() -> None:
    index, prompt = PrefixIndex(), chain(0, text(1, 64 * KIB))
    for slot, blocks in enumerate((len(prompt), 20, 3, 0)):
        index.insert(prompt[:blocks], slot)
    lengths = [BOUNDARIES[blocks] for blocks in (len(prompt), 20, 3, 0)]
    assert index.match(prompt, (0, 1, 2, 3)) == lengths
    assert index.match(prompt, (3, 1)) == [0, BOUNDARIES[20]]
    assert index.match(prompt, (1,), 0.25) == [BOUNDARIES[20] / 4]


# what an engine's cache does


def test_a_restarted_engine_holds_nothing_and_its_neighbours_keep_theirs() -> None:
    index, prompt = PrefixIndex(), chain(0, text(1, 32 * KIB))
    index.insert(prompt, 0)
    index.insert(prompt, 1)
    index.forget(0)
    assert index.match(prompt, (0, 1)) == [0, 32 * KIB]
    index.insert(prompt[:5], 0)
    assert index.match(prompt, (0, 1)) == [BOUNDARIES[5], 32 * KIB]


def test_a_slot_given_anew_knows_nothing_of_the_endpoint_before_it() -> None:
    """Also when the bit is used again, after the blocks that bore it are gone."""
    draw, index = dice(2), PrefixIndex(1_000)
    prompt = fresh(draw, 20)
    for _ in range(50):
        index.insert(prompt, 0)
        index.insert(prompt, 1)
        index.forget(0)
        assert index.match(prompt, (0, 1)) == [0, BOUNDARIES[20]]
        for _ in range(60):
            index.insert(fresh(draw, 20), 1)
    assert index.stats().columns < 100


def test_what_was_not_used_for_longer_than_the_cache_is_large_is_gone() -> None:
    index = PrefixIndex()
    index.room(0, 256 * KIB)
    prompts = [chain(0, text(number, 32 * KIB)) for number in range(20)]
    for prompt in prompts:
        index.insert(prompt, 0)
        index.insert(prompts[0], 0)  # this one is asked again and again
    held = [index.match(prompt, (0,))[0] for prompt in prompts]
    assert held[0] == 32 * KIB
    assert not any(held[1:12])
    assert all(held[-4:])


def test_touching_the_same_prompt_again_takes_no_room() -> None:
    index = PrefixIndex()
    index.room(0, 256 * KIB)
    first, second = chain(0, text(1, 64 * KIB)), chain(0, text(2, 32 * KIB))
    index.insert(first, 0)
    for _ in range(1_000):
        index.insert(second, 0)
    assert index.match(first, (0,)) == [64 * KIB]


@pytest.mark.parametrize(("prompts", "holds"), [(64, 8), (16, 8), (64, 64)])
def test_it_learns_how_much_an_engine_keeps_that_does_not_say(prompts: int, holds: int) -> None:
    """The engine is a real LRU cache of so many prompts; 16 of them are fewer than one spell of the first belief."""
    draw, index = dice(6), PrefixIndex()
    chains = [chain(0, text(number, 32 * KIB)) for number in range(prompts)]
    cache: dict[int, None] = {}
    claims: list[tuple[bool, bool]] = []  # what was claimed, what was so
    for _ in range(4_000):
        number = draw.randrange(prompts)
        claimed = int(index.match(chains[number], (0,))[0])
        index.insert(chains[number], 0)
        index.heard(0, claimed, 32.0 * KIB if number in cache else 0.0)
        claims.append((claimed > 0, number in cache))
        cache.pop(number, None)
        cache[number] = None
        if len(cache) > holds:
            del cache[next(iter(cache))]
    late = claims[2_000:]
    wrong = sum(claimed and not held for claimed, held in late)
    lost = sum(held and not claimed for claimed, held in late)
    assert wrong < 0.35 * max(1, sum(claimed for claimed, _ in late))
    assert lost < 0.5 * sum(held for _, held in late)


def test_hearing_of_a_slot_that_has_no_claims_is_nothing() -> None:
    index = PrefixIndex()
    index.heard(3, 1000, 0.0)
    index.forget(3)
    assert index.match([1, 2], (3,)) == [0]


def test_workers_that_tell_each_other_what_they_routed_know_the_same() -> None:
    draw = dice(4)
    here, there = PrefixIndex(), PrefixIndex()
    prompts = [fresh(draw, 12)]
    for _ in range(300):
        base = draw.choice(prompts)
        prompt = base[: draw.randrange(len(base) + 1)] + fresh(draw, draw.randrange(1, 8))
        prompts.append(prompt)
        worker, other = (here, there) if draw.random() < 0.5 else (there, here)
        if worker.insert(prompt, slot := draw.randrange(5)):
            other.insert(prompt, slot)
    assert all(here.match(prompt, SLOTS) == there.match(prompt, SLOTS) for prompt in prompts)
