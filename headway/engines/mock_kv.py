"""The mock engine's KV cache: blocks of 16 tokens, found again by what they hold, as in vLLM v1. Pure.

A whole block is known by a key: the hash of its tokens chained on the key of the block before it, so that a key
stands for the whole prefix; the chain is seeded with the adapter and the request's `cache_salt`. A block that
nobody refers to stays findable until it is needed: the one free for longest goes first, and of one sequence the
end before the beginning.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

__all__ = ["BLOCK_BYTES", "BLOCK_TOKENS", "PagedCache", "chain", "seed"]

BLOCK_TOKENS = 16
BLOCK_BYTES = 64


def seed(adapter: str, salt: str) -> int:
    """What a chain of keys begins with."""
    return hash((adapter, salt))


def chain(before: int, tokens: bytes) -> list[int]:
    """The keys of all whole blocks of `tokens`, after the key (or seed) `before`."""
    keys = []
    for at in range(0, len(tokens) - BLOCK_BYTES + 1, BLOCK_BYTES):
        before = hash((before, tokens[at : at + BLOCK_BYTES]))
        keys.append(before)
    return keys


class PagedCache:
    """Blocks by number. A block is free (nobody refers to it; it may still hold a key) or held."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self._held = [0] * blocks
        self._key: list[int | None] = [None] * blocks
        self._by_key: dict[int, int] = {}
        self._free = OrderedDict.fromkeys(range(blocks))

    @property
    def used(self) -> int:
        return self.blocks - len(self._free)

    def match(self, keys: Sequence[int], most: int) -> list[int]:
        """The blocks that hold the longest prefix of `keys`, at most so many. They are not held by that."""
        found = []
        known = self._by_key.get
        for key in keys[:most]:
            block = known(key)
            if block is None:
                break
            found.append(block)
        return found

    def take(self, count: int, shared: Sequence[int] = ()) -> list[int] | None:
        """Hold `shared` once more and `count` blocks of one's own; the latter are returned. None, and nothing
        has changed, when there are not so many."""
        held = self._held
        if count > len(self._free) - sum(not held[block] for block in shared):
            return None
        for block in shared:
            if not held[block]:
                del self._free[block]
            held[block] += 1
        own = [self._free.popitem(last=False)[0] for _ in range(count)]
        for block in own:
            held[block] = 1
            self._forget(block)
        return own

    def seal(self, block: int, key: int) -> None:
        """The block is whole: it can be found by `key` from now on. The first one with a key stays the one."""
        if self._key[block] is None and self._by_key.setdefault(key, block) == block:
            self._key[block] = key

    def release(self, blocks: Sequence[int]) -> None:
        """Give up one hold on each, in the order of the sequence: its end becomes the first to be reused."""
        held = self._held
        for block in reversed(blocks):
            held[block] -= 1
            if not held[block]:
                self._free[block] = None

    def clear(self) -> None:
        """Forget what free blocks hold."""
        for block in self._free:
            self._forget(block)

    def _forget(self, block: int) -> None:
        if (key := self._key[block]) is not None:
            del self._by_key[key]
            self._key[block] = None
