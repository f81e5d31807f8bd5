"""The prefix index against a plain model of it, its bounds, and what it forgets."""

from __future__ import annotations

import os
import tracemalloc
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.prefix import BOUNDS, PrefixIndex, chain


def test_a_chain_says_how_far_two_texts_are_alike() -> None:
    text = os.urandom(600_000)
    hashes = chain(1, text)
    assert len(hashes) == len(BOUNDS)
    assert chain(1, text[:5000]) == hashes[:9]
    assert chain(1, memoryview(text)[:5000]) == hashes[:9]
    assert chain(1, text[:511]) == []
    assert set(chain(2, text)).isdisjoint(hashes)
    for changed in (0, 511, 512, 9000, 100_000):
        other = bytearray(text)
        other[changed] ^= 1
        same = sum(bound <= changed for bound in BOUNDS)
        assert [mine == theirs for mine, theirs in zip(chain(1, bytes(other)), hashes, strict=True)] == [
            *[True] * same,
            *[False] * (len(BOUNDS) - same),
        ]


def test_blocks_grow_so_that_the_error_stays_a_quarter() -> None:
    sizes = [end - start for start, end in zip((0, *BOUNDS), BOUNDS, strict=False)]
    assert sizes == sorted(sizes)
    assert all(size <= start / 4 for size, start in zip(sizes[2:], BOUNDS[1:], strict=False) if start >= 2048)


paths = st.lists(st.integers(0, 2), max_size=6)  # a prompt: a walk in a small tree
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), paths, st.integers(0, 3)),
        st.tuples(st.just("correct"), paths, st.integers(0, 3), st.integers(0, 6)),
        st.tuples(st.just("forget"), st.integers(0, 3)),
        st.tuples(st.just("absorb"), paths, st.integers(0, 3)),
    ),
    max_size=40,
)


def hashes_of(path: list[int]) -> list[int]:
    return [hash(tuple(path[: end + 1])) for end in range(len(path))]


@given(steps, paths)
def test_it_knows_what_a_plain_model_knows(steps: list[tuple[object, ...]], asked: list[int]) -> None:
    index = PrefixIndex(10_000)
    plain: dict[int, set[int]] = {}  # slot -> hashes
    corrected = any(step[0] == "correct" for step in steps)
    for step in steps:
        if step[0] in ("insert", "absorb"):
            hashes, slot = hashes_of(step[1]), step[2]  # type: ignore[arg-type]
            known = plain.setdefault(slot, set())  # type: ignore[arg-type]
            if step[0] == "insert":
                news = index.insert(hashes, slot)  # type: ignore[arg-type]
                assert set(news) <= set(hashes)
                assert corrected or set(news) >= set(hashes) - known
            else:
                index.absorb(hashes, slot)  # type: ignore[arg-type]
            known.update(hashes)
        elif step[0] == "correct":
            hashes, slot = hashes_of(step[1]), step[2]  # type: ignore[arg-type]
            index.correct(hashes, slot, step[3])  # type: ignore[arg-type]
            # What hung on the dropped blocks is out of reach, whether or not it is still written down.
            gone = tuple(step[1][: step[3] + 1])  # type: ignore[index]
            if step[3] < len(step[1]):  # type: ignore[arg-type,operator]
                plain[slot] = {each for each in plain.get(slot, set()) if not _under(each, gone)}  # type: ignore[index,call-overload]
        else:
            index.forget(step[1])  # type: ignore[arg-type]
            plain.pop(step[1], None)  # type: ignore[call-overload]
    found = index.match(hashes_of(asked), range(5)) or [0] * 5
    for slot in range(5):
        known = plain.get(slot, set())
        depth = next((d for d, each in enumerate(hashes_of(asked)) if each not in known), len(asked))
        assert found[slot] == depth or (corrected and found[slot] > depth)
    assert found[4] == 0


_ALL = {hash(path): path for n in range(1, 7) for path in __import__("itertools").product(range(3), repeat=n)}


def _under(each: int, stem: tuple[int, ...]) -> bool:
    return _ALL[each][: len(stem)] == stem


def test_it_is_bounded_and_keeps_what_is_used() -> None:
    index, random = PrefixIndex(1000), Random(7)  # noqa: S311
    kept = [random.getrandbits(64) for _ in range(40)]
    for n in range(500):
        index.insert([random.getrandbits(64) for _ in range(30)], n % 8)
        index.insert(kept, 3)
        assert len(index) <= 1000 + 30
        assert index.match(kept, [3, 4]) == [40, 0]


def test_a_slot_given_anew_has_nothing_of_its_last_endpoint() -> None:
    index, random = PrefixIndex(400), Random(7)  # noqa: S311
    prompt = [random.getrandbits(64) for _ in range(20)]
    for _ in range(300):  # far more endpoints than bits in a machine word
        index.insert(prompt, 0)
        assert index.match(prompt, [0]) == [20]
        index.forget(0)
        assert not any(index.match(prompt, [0]))
        index.insert([random.getrandbits(64) for _ in range(50)], 1)
    assert index._next < 40, "bits are used again"


def test_200_000_blocks_take_less_than_40_mib() -> None:
    random = Random(7)  # noqa: S311
    tracemalloc.start()
    index = PrefixIndex(200_000)
    for n in range(7000):
        index.insert([random.getrandbits(64) for _ in range(28)], n % 64)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(index) > 190_000
    assert used < 40 * 2**20
