"""One request inside a mock engine, and what an engine's scheduler is to the rest: submit, cancel, step. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from headway.engines.mock_kv import BLOCK_BYTES, BLOCK_TOKENS, PagedCache, chain, seed
from headway.engines.mock_text import TOKEN_BYTES

__all__ = ["Answer", "Scheduler", "Sequence", "Step"]


class Answer(Protocol):
    """What will be said: its tokens, and how many there are at most."""

    def tokens(self, start: int, end: int) -> bytes:
        """The bytes of tokens start..end-1, TOKEN_BYTES each."""


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt, how many tokens are to follow it, and how far it is. Times are the engine's."""

    prompt: bytes
    answer: Answer
    length: int  # tokens to generate
    adapter: str = ""
    salt: str = ""
    hold_at: int | None = None  # fall silent after so many tokens, for ever
    told: Callable[[], None] = lambda: None  # called for each token, when `produced` counts it
    ttft: float | None = None  # its own fixed times; None = the engine's
    itl: float | None = None

    arrived: float = 0.0
    started: float | None = None  # first taken into a step
    first: float | None = None  # first token
    last: float = 0.0  # latest token
    cached: int = 0  # prompt tokens found in the cache at the first start
    computed: int = 0  # tokens whose keys and values are in blocks
    produced: int = 0
    running: bool = False
    blocks: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    sealed: int = 0
    prompt_tokens: int = 0

    def __post_init__(self) -> None:
        self.prompt_tokens = len(self.prompt) // TOKEN_BYTES
        self.keys = chain(seed(self.adapter, self.salt), self.prompt)

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.produced

    @property
    def held(self) -> bool:
        return self.hold_at is not None and self.produced >= self.hold_at

    @property
    def done(self) -> bool:
        return self.produced >= self.length

    def seal(self, cache: PagedCache, tokens: int) -> None:
        """Blocks that are whole with so many tokens computed become findable."""
        for index in range(self.sealed, tokens // BLOCK_TOKENS):
            if index == len(self.keys):
                self.keys += chain(self.keys[-1] if self.keys else seed(self.adapter, self.salt), self._block(index))
            cache.seal(self.blocks[index], self.keys[index])
            self.sealed = index + 1

    def _block(self, index: int) -> bytes:
        """The tokens of a block that reaches into the answer."""
        start, size = index * BLOCK_BYTES, len(self.prompt)
        own = self.prompt[start : start + BLOCK_BYTES]
        begin = (start + len(own) - size) // TOKEN_BYTES
        return own + self.answer.tokens(begin, begin + (BLOCK_BYTES - len(own)) // TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step has brought: one token for each of these, and when to call again (None: when something was
    submitted or cancelled)."""

    produced: tuple[Sequence, ...]
    seconds: float | None


class Scheduler(Protocol):
    """Decides what runs when. The clock is the caller's: `now` never goes back."""

    cache: PagedCache
    preemptions: int
    exact: bool  # whether tokens are to be told at their very times, and not within a millisecond
    queried: int  # prompt tokens looked up in the cache
    hits: int  # of these found

    @property
    def stepping(self) -> bool:
        """Whether a step is under way, which what comes must wait for."""

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    def waiting_adapters(self) -> set[str]: ...

    def submit(self, sequence: Sequence, now: float) -> None: ...

    def cancel(self, sequence: Sequence) -> None: ...

    def step(self, now: float) -> Step: ...
