"""One request inside a replica: what was asked, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headway.perf.batching.blocks import Node
from headway.perf.batching.segments import Segment, segments
from headway.perf.traffic.planned import Piece

__all__ = ["Request", "Sequence"]

_ANSWERS = -1 << 62
"""Ids of answers that no later prompt has; below 0 no traffic has any."""


@dataclass(slots=True, eq=False)
class Request:
    """`prompt` and `output` in tokens, each at least 1. `pieces` say which text the prompt is, for the prefix cache;
    none: it shares nothing. `answer`: the id of the Piece that its answer will be in a later prompt; 0: of none.
    `brought`: the keys and values of so many tokens of its prompt, fewer than all, come with it (from the replica that
    computed the prompt)."""

    id: int
    prompt: int
    output: int
    pieces: tuple[Piece, ...] = ()
    answer: int = 0
    adapter: str = ""
    brought: int = 0


@dataclass(slots=True, eq=False)
class Sequence:
    """`target`: tokens that must be computed before the next one is written; `computed` of them are, `chunk` are in the
    step that runs. `node` and `kept`: where in the tree of prefixes it is, and how many blocks lead there; what it
    holds beyond is its own. `joined`: at which step it began to decode, with `computed` tokens then."""

    request: Request
    target: int
    computed: int = 0
    chunk: int = 0
    written: int = 0
    cached: int = -1
    node: Node | None = None
    kept: int = 0
    runs: list[Segment] = field(default_factory=list)
    place: tuple[int, int] | None = (0, 0)  # in runs: what was not told to the tree yet; None: nothing more is told
    joined: int = -1
    ends: int = 0
    last_at: float = 0.0

    def plan(self, block: int) -> None:
        """Before it is computed from the beginning: which runs of blocks it has."""
        self.place = (0, 0)
        self.runs = self.text(block)

    def text(self, block: int) -> list[Segment]:
        """The prompt and what was written so far."""
        request, written = self.request, self.written
        pieces = request.pieces or (Piece(-1 - request.id, request.prompt),)
        if written:
            pieces = (*pieces, Piece(request.answer or _ANSWERS - request.id, written))
        return segments(pieces, block)

    def blocks(self, block: int) -> int:
        """Held by it, while it does not decode."""
        return -(-self.computed // block)

    def at_block(self, number: int) -> tuple[int, int]:
        """Where in its runs a block is."""
        for run, (_, length) in enumerate(self.runs):
            if number < length:
                return run, number
            number -= length
        return len(self.runs), 0

    def untold(self, upto: int) -> Iterator[tuple[Segment, int, int]]:
        """(run, skip, blocks) up to the block `upto` of the sequence; the place moves on."""
        if self.place is None:
            return
        run, skip = self.place
        depth = self.kept
        while run < len(self.runs) and depth < upto:
            blocks = min(self.runs[run][1] - skip, upto - depth)
            yield self.runs[run], skip, blocks
            depth += blocks
            skip += blocks
            if skip == self.runs[run][1]:
                run, skip = run + 1, 0
            self.place = (run, skip)
