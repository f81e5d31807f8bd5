"""Blocks, prefixes, references and their reuse."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from headway.engines.mock_kv import BLOCK_BYTES, PagedCache, chain, seed

BLOCKS = 12


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_keys_stand_for_whole_prefixes(one: bytes, other: bytes) -> None:
    left, right = chain(seed("", ""), one), chain(seed("", ""), other)
    assert len(left) == len(one) // BLOCK_BYTES
    for index, (a, b) in enumerate(zip(left, right, strict=False), 1):
        assert (a == b) == (one[: index * BLOCK_BYTES] == other[: index * BLOCK_BYTES])


@given(st.binary(min_size=64, max_size=600), st.integers(0, 9))
def test_a_chain_can_be_gone_on_with(text: bytes, blocks: int) -> None:
    cut = min(blocks, len(text) // BLOCK_BYTES) * BLOCK_BYTES
    begun = chain(seed("a", "s"), text[:cut])
    assert begun + chain(begun[-1] if begun else seed("a", "s"), text[cut:]) == chain(seed("a", "s"), text)


def test_adapters_and_salts_share_nothing() -> None:
    text = bytes(range(64)) * 2
    keys = {chain(seed(*who), text)[-1] for who in (("", ""), ("a", ""), ("", "a"), ("a", "a"))}
    assert len(keys) == 4


def test_the_longest_unused_goes_first_and_ends_before_beginnings() -> None:
    cache = PagedCache(4)
    old, new = cache.take(2), cache.take(2)
    assert old is not None
    assert new is not None
    for number, block in enumerate(old + new):
        cache.seal(block, number)
    cache.release(old)
    cache.release(new)
    cache.take(1)
    assert [len(cache.match([number], 1)) for number in range(4)] == [1, 0, 1, 1]
    cache.take(2)
    assert [len(cache.match([number], 1)) for number in range(4)] == [0, 0, 1, 0]


def test_what_is_shared_is_not_counted_as_free() -> None:
    cache = PagedCache(3)
    kept = cache.take(1)
    assert kept is not None
    cache.seal(kept[0], 7)
    cache.release(kept)
    shared = cache.match([7], 1)
    assert cache.take(3, shared) is None
    assert cache.used == 0
    assert cache.match([7], 1) == shared
    own = cache.take(2, shared)
    assert own is not None
    assert not set(own) & set(shared)
    assert cache.used == 3


class Blocks(RuleBasedStateMachine):
    """The cache against a model of it: who holds what, and what each key was sealed on."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.cache = PagedCache(BLOCKS)
        self.holds: Counter[int] = Counter()
        self.text: dict[int, bytes] = {}  # what a sealed block holds

    @rule(target=taken, length=st.integers(0, 5), of=st.sampled_from([b"a", b"b"]))
    def take(self, length: int, of: bytes) -> object:
        prefix = of * (length * BLOCK_BYTES)
        keys = chain(seed("", ""), prefix)
        shared = self.cache.match(keys, len(keys))
        for index, block in enumerate(shared):
            assert self.text[block] == prefix[: (index + 1) * BLOCK_BYTES]
        free = BLOCKS - len(+self.holds)
        revived = sum(not self.holds[block] for block in shared)
        own = self.cache.take(length - len(shared), shared)
        if own is None:
            assert length - len(shared) > free - revived
            return multiple()
        assert not set(own) & set(+self.holds)
        self.holds.update([*shared, *own])
        for index, block in enumerate([*shared, *own]):
            if index >= len(shared):
                self.text[block] = prefix[: (index + 1) * BLOCK_BYTES]
            self.cache.seal(block, keys[index])
        return (*shared, *own)

    @rule(blocks=consumes(taken))
    def release(self, blocks: tuple[int, ...]) -> None:
        self.cache.release(blocks)
        self.holds.subtract(blocks)

    @rule()
    def clear(self) -> None:
        self.cache.clear()

    @invariant()
    def what_is_held_is_used_and_the_rest_is_free(self) -> None:
        assert self.cache.used == len(+self.holds)
        assert min(self.holds.values(), default=0) >= 0


TestBlocks = Blocks.TestCase
TestBlocks.settings = settings(max_examples=60, stateful_step_count=40)
