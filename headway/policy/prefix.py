"""Which endpoint has which beginning of a prompt in its cache, as far as a router can know.

Engines keep the KV of prompts they have read and skip what a new prompt shares with them from its first token on
(vLLM: automatic prefix caching; SGLang: RadixAttention; llama.cpp: slots). The router has no tokens, so it takes the
prompt's text in blocks and hashes them as a chain: equal hashes mean equal text from the beginning. An index keeps for
each hash the set of endpoints that were sent it, as bits of one integer.

Pure: a data structure, told what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xxhash import xxh3_64_intdigest

__all__ = ["BOUNDS", "PrefixIndex", "chain"]


def _bounds() -> tuple[int, ...]:
    """512-byte blocks up to 8 KiB, 2 KiB up to 64 KiB, 8 KiB up to 512 KiB: an error of a block is then at most a
    quarter of what is matched, and a prompt of 400 KB has 85 blocks and not 400 (an llm-d block is 64 tokens, a
    production-stack one 128 characters: gateway.md 1.1, 1.3)."""
    fine = range(512, 8 * 1024 + 1, 512)
    middle = range(10 * 1024, 64 * 1024 + 1, 2 * 1024)
    coarse = range(72 * 1024, 512 * 1024 + 1, 8 * 1024)
    return (*fine, *middle, *coarse)


BOUNDS = _bounds()
"""Where blocks end, in bytes of the text."""


def chain(seed: int, text: bytes | memoryview) -> list[int]:
    """The chained hash of each whole block (XXH3-64). `seed` stands for all that must be equal besides the text: the
    model or adapter, the tools, the cache salt, the tenant."""
    length, start, hashes = len(text), 0, []
    for end in BOUNDS:
        if end > length:
            break
        seed = xxh3_64_intdigest(text[start:end], seed)
        hashes.append(seed)
        start = end
    return hashes


class PrefixIndex:
    """Bounded: `capacity` blocks in two generations. What is used moves to the young one; when that is half of the
    capacity it becomes the old one, and the one before is dropped whole.

    A block is never there without those before it, for a use moves the whole chain; so the deepest known block is found
    by bisection. An endpoint that was forgotten (its engine was restarted) gets another bit: its old bits mean nobody.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._bits: dict[int, int] = {}  # slot -> bit
        self._live = 0  # all of them
        self._unused: list[int] = []  # bits that no block holds any more
        self._dying: list[list[int]] = [[], []]  # bits given up in the present and in the last generation
        self._next = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def match(self, hashes: Sequence[int], slots: Sequence[int]) -> list[int]:
        """For each slot, how many leading blocks its endpoint has; empty = nobody has any."""
        if not hashes or not (hashes[0] in self._young or hashes[0] in self._old):
            return []
        bits = [self._bits.get(slot, 0) for slot in slots]
        found = [0] * len(bits)
        wanted = 0
        for bit in bits:
            wanted |= bit
        deepest = len(hashes)
        while wanted and (deepest := self._deepest(hashes, deepest, wanted)):
            mask = self._mask(hashes[deepest - 1]) & wanted
            for index, bit in enumerate(bits):
                if bit & mask:
                    found[index] = deepest
            wanted &= ~mask
        return found

    def insert(self, hashes: Sequence[int], slot: int) -> list[int]:
        """The endpoint was sent this prompt. Returns the hashes that are news about it."""
        if not hashes:
            return []
        bit = self._bit(slot)
        known = self._deepest(hashes, len(hashes), bit)
        if known == len(hashes) and hashes[-1] in self._young:
            return []
        self._promote(hashes)
        young = self._young
        fresh = [each for each in hashes if not young[each] & bit]  # a correction may have left holes before `known`
        for each in fresh:
            young[each] |= bit
        self._age()
        return fresh

    def absorb(self, hashes: Iterable[int], slot: int) -> None:
        """News from another worker."""
        bit, young, old, live = self._bit(slot), self._young, self._old, self._live
        for each in hashes:
            young[each] = young.get(each, 0) | old.pop(each, 0) & live | bit
        self._age()

    def correct(self, hashes: Sequence[int], slot: int, blocks: int) -> None:
        """The engine had only so many of these blocks: it has dropped the rest, and what hung on it."""
        bit = self._bits.get(slot, 0)
        for each in hashes[blocks:]:
            for generation in (self._young, self._old):
                mask = generation.get(each, 0)
                if mask & bit:
                    generation[each] = mask & ~bit

    def forget(self, slot: int) -> None:
        """The endpoint behind this slot is another, or lost its cache."""
        bit = self._bits.pop(slot, 0)
        if bit:
            self._live &= ~bit
            self._dying[0].append(bit)

    # parts of the above

    def _mask(self, each: int) -> int:
        return self._young.get(each, 0) | self._old.get(each, 0)

    def _deepest(self, hashes: Sequence[int], end: int, wanted: int) -> int:
        """How many of the first `end` blocks somebody of `wanted` has."""
        young, old, low, high = self._young, self._old, 0, end
        while low < high:
            middle = (low + high + 1) // 2
            each = hashes[middle - 1]
            if (young.get(each, 0) | old.get(each, 0)) & wanted:
                low = middle
            else:
                high = middle - 1
        return low

    def _promote(self, hashes: Sequence[int]) -> None:
        """What is in the old generation moves to the young one; a young block's ancestors are young already."""
        young, old, live = self._young, self._old, self._live
        for each in reversed(hashes):
            if each in young:
                break
            young[each] = old.pop(each, 0) & live

    def _age(self) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
            self._unused += self._dying[1]
            self._dying = [[], self._dying[0]]

    def _bit(self, slot: int) -> int:
        bit = self._bits.get(slot)
        if bit is None:
            if self._unused:
                bit = self._unused.pop()
            else:
                bit, self._next = 1 << self._next, self._next + 1
            self._bits[slot] = bit
            self._live |= bit
        return bit
