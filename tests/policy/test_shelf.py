"""The shelf: what is kept is found until it is too old or its room is needed, and never takes more than its size."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gateway.frames import Shelved
from headway.policy.shelf import OVERHEAD, Shelf

ONE = 1000 + OVERHEAD


def shelf(entries: float = 100.0, ttl: float = 60.0) -> Shelf[str]:
    return Shelf(int(entries * ONE), ttl)


def test_what_is_kept_is_found_with_its_age() -> None:
    kept = shelf()
    assert kept.put(b"a", "A", 1000, now=10)
    assert kept.get(b"a", now=12.5) == ("A", 2.5)
    assert kept.get(b"b", now=12.5) is None
    assert (len(kept), kept.bytes) == (1, ONE)


def test_nothing_is_given_after_its_time() -> None:
    kept = shelf(ttl=60)
    kept.put(b"a", "A", 1000, now=0)
    assert kept.get(b"a", now=60) == ("A", 60)
    assert kept.get(b"a", now=60.001) is None
    assert (len(kept), kept.bytes, kept.expired) == (0, 0, 1)


def test_what_nobody_asks_for_is_swept_out_in_time_too() -> None:
    kept = shelf(ttl=60)
    kept.put(b"a", "A", 1000, now=0)
    kept.put(b"b", "B", 1000, now=30)
    kept.put(b"a", "A again", 1000, now=40)
    kept.sweep(now=61)
    assert kept.get(b"a", now=61) == ("A again", 21), "the first one's age is not the second one's"
    kept.sweep(now=91)
    assert (len(kept), kept.expired) == (1, 1)
    kept.sweep(now=101)
    assert (len(kept), kept.bytes, kept.expired) == (0, 0, 2)


def test_what_was_used_longest_ago_makes_room() -> None:
    kept = shelf(entries=4)
    for name in "abcd":
        kept.put(name.encode(), name, 1000, now=0)
    kept.get(b"a", now=1)
    kept.put(b"e", "e", 1000, now=2)
    assert kept.get(b"b", now=3) is None
    assert [kept.get(name.encode(), now=3) is not None for name in "acde"] == [True] * 4
    assert kept.evicted == 1


def test_what_would_drive_out_all_else_is_not_kept() -> None:
    kept = shelf(entries=4)
    kept.put(b"a", "A", 1000, now=0)
    assert not kept.put(b"b", "B", 1001, now=0)
    assert (len(kept), kept.bytes) == (1, ONE)


def test_a_smaller_shelf_and_a_shorter_time_count_at_once() -> None:
    kept = shelf(entries=8)
    for name in "abcdefgh":
        kept.put(name.encode(), name, 1000, now=0)
    kept.resize(4 * ONE, 10)
    assert (len(kept), kept.evicted) == (4, 4)
    assert kept.get(b"h", now=11) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "sweep"]), st.integers(0, 9), st.integers(0, 900), st.integers(0, 9))
    )
)
def test_it_is_a_bounded_dict_in_order_of_use(steps: list[tuple[str, int, int, int]]) -> None:
    kept: Shelf[int] = Shelf(5 * ONE, 30)
    plain: OrderedDict[bytes, tuple[int, int, int]] = OrderedDict()
    now = 0
    for turn, (what, number, size, later) in enumerate(steps):
        now += later
        key = bytes([number])
        if what == "put" and 4 * (size + OVERHEAD) <= 5 * ONE:
            plain.pop(key, None)
            plain[key] = (turn, size + OVERHEAD, now)
            kept.put(key, turn, size, now)
        elif what == "get":
            if key in plain and now - plain[key][2] > 30:
                del plain[key]
            expected = (plain[key][0], now - plain[key][2]) if key in plain else None
            assert kept.get(key, now) == expected
            if expected:
                plain.move_to_end(key)
        elif what == "sweep":
            plain = OrderedDict((name, each) for name, each in plain.items() if now - each[2] <= 30)
            kept.sweep(now)
        while sum(each[1] for each in plain.values()) > 5 * ONE:
            plain.popitem(last=False)
        assert kept.bytes == sum(each[1] for each in plain.values())
        assert len(kept) == len(plain)


@pytest.mark.parametrize("size", [10, 300, 4000])
def test_the_bound_is_one_of_memory(size: int) -> None:
    """As much as CPython really takes, or less, down to the smallest answers."""
    gc.collect()
    tracemalloc.start()
    kept: Shelf[Shelved] = Shelf(10**7, 60)
    for number in range(4000):
        body, key = os.urandom(size), os.urandom(32)
        kind = bytes(bytearray(b"content-type: application/json\r\n"))
        kept.put(key, Shelved(key, f"revision-{number}", kind, body, (number, 1000)), size, float(number) / 1000)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 * kept.bytes < taken < kept.bytes
