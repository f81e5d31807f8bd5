"""The gaps between tokens, of all requests in one row: what ITL is a distribution of.

A chunk of k tokens that came after a gap g is k gaps of g / k. How many tokens a chunk has is known, in this order:

    tokens   the server told with each chunk (continuous usage)
    bytes    the answer's usage has more tokens than there were chunks: one each, and those beyond are given out by the
             chunks' bytes of text, rounded so that the parts sum to the whole
    chunks   neither: one each

The first chunk's tokens came with TTFT and end no gap. A chunk without a token (usage may lag behind text) adds its
gap to the next one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from headway.bench.arrays import Floats, Ints
from headway.bench.record import Record

__all__ = ["SIZED", "Gaps", "sized_by"]

SIZED = ("tokens", "bytes", "chunks")


@dataclass(frozen=True, slots=True)
class Gaps:
    """`tokens[i]` gaps of `seconds[i]` each, of the request at `owner[i]`."""

    owner: Ints
    seconds: Floats
    tokens: Ints

    @classmethod
    def of(cls, records: Sequence[Record], wanted: Sequence[bool]) -> Gaps:
        """Of the requests that are `wanted`; of the others none."""
        owners = [place for place, each in enumerate(wanted) if each and records[place].gaps]
        if not owners:
            return cls(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
        rows = [records[place].gaps for place in owners]
        counts = np.fromiter(map(len, rows), np.int64, len(rows))
        micros = np.fromiter(chain.from_iterable(rows), np.int64, int(counts.sum()))
        tokens = _tokens([records[place] for place in owners], counts)
        owner = np.repeat(np.array(owners, np.int64), counts)
        if not tokens.all():
            owner, micros, tokens = _merged(owner, micros, tokens)
        return cls(owner, micros / tokens * 1e-6, tokens)


def sized_by(record: Record) -> str:
    """How the tokens of this stream's chunks are known: one of SIZED."""
    if len(record.sizes) != len(record.gaps) + 1:
        return "chunks"
    if record.sized_by == "tokens":
        return "tokens"
    more = record.output_tokens is not None and record.output_tokens >= len(record.sizes)
    return "bytes" if record.sized_by == "bytes" and more and max(record.sizes) > 0 else "chunks"


def _tokens(records: Sequence[Record], counts: Ints) -> Ints:
    """Tokens of every chunk but each request's first."""
    found = np.ones(int(counts.sum()), np.int64)
    ends = np.cumsum(counts)
    told = [sized_by(record) for record in records]
    for way in ("tokens", "bytes"):
        chosen = [place for place, each in enumerate(told) if each == way and _uneven(records[place], way)]
        if not chosen:
            continue
        rows = [records[place].sizes for place in chosen]
        lengths = counts[chosen] + 1
        sizes = np.maximum(np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum())), 0)
        if way == "bytes":
            sizes = _shared_out(sizes, lengths, [records[place].output_tokens or 0 for place in chosen])
        found[_places(ends[chosen] - counts[chosen], counts[chosen])] = np.delete(sizes, np.cumsum(lengths) - lengths)
    return found


def _uneven(record: Record, way: str) -> bool:
    """Whether any chunk may have more than one token: most streams have one each, and need no arithmetic."""
    return way == "tokens" or record.output_tokens != len(record.sizes)


def _shared_out(sizes: Ints, lengths: Ints, totals: Sequence[int]) -> Ints:
    """One token a chunk, and the rest by bytes: chunk i ends at round(rest * bytes up to i / all bytes)."""
    ends = np.cumsum(lengths)
    upto = np.cumsum(sizes)
    before = np.repeat(upto[ends - 1] - np.add.reduceat(sizes, ends - lengths), lengths)
    every = np.repeat(np.add.reduceat(sizes, ends - lengths), lengths)
    rest = np.repeat(np.array(totals, np.int64) - lengths, lengths)
    reached = (2 * rest * (upto - before) + every) // (2 * every)  # round(), exactly
    parts: Ints = np.diff(reached, prepend=0)
    parts[ends - lengths] = reached[ends - lengths]
    parts += 1
    return parts


def _places(starts: Ints, counts: Ints) -> Ints:
    """starts[0], starts[0] + 1, .. counts[0] of them; then of starts[1]; and so on."""
    ends = np.cumsum(counts)
    places: Ints = np.arange(int(ends[-1])) + np.repeat(starts - (ends - counts), counts)
    return places


def _merged(owner: Ints, micros: Ints, tokens: Ints) -> tuple[Ints, Ints, Ints]:
    """Without the chunks that have no token; their gaps are added to the next chunk's of the same request."""
    came = np.cumsum(micros)
    kept = np.flatnonzero(tokens)
    if not len(kept):
        return owner[:0], micros[:0], tokens[:0]
    firsts = np.searchsorted(owner, owner[kept], side="left")
    begun = came[firsts] - micros[firsts]
    previous = np.concatenate(([0], came[kept][:-1]))
    same = np.concatenate(([False], owner[kept][1:] == owner[kept][:-1]))
    return owner[kept], came[kept] - np.where(same, previous, begun), tokens[kept]
