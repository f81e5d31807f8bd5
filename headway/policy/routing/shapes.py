"""What routing is asked, what it looks at and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from headway.policy.routing.candidate import Candidate

__all__ = ["Ask", "Choice", "Policy", "Why"]


class Why(StrEnum):
    """Why this endpoint."""

    ONLY_ONE = "only_one"
    LEAST_COST = "least_cost"
    LEAST_LOADED = "least_loaded"
    LONGEST_MATCH = "longest_match"
    TIE_DRAWN = "tie_drawn"
    IN_TURN = "in_turn"
    CHEAPEST = "cheapest"  # of those that are predicted to meet the SLO, the only one at its price
    ALL_FAILED_RECENTLY = "all_failed_recently"


class Ask(msgspec.Struct):
    """One request."""

    tokens: float  # of its prompt, estimated: bytes / Sizes.token_bytes
    matched: Sequence[float]  # of these, what each candidate is believed to have cached, by index (PrefixIndex.match)
    output: float  # tokens that the answer is expected to have (Sizes.output)
    adapter: str = ""
    session: int = -1  # slot of the endpoint that the session's last request went to; -1 = none
    session_tokens: float = 0.0  # what that one then held: its prompt and its answer
    turn: int = 0  # counts the requests of the model
    coming: float = 0.0  # requests a second that an endpoint gets, on the mean (candidate.coming)


class Choice(msgspec.Struct, frozen=True):
    """`index` into the candidates; requests running there; how many could have been picked; `look_again` = when the
    first endpoint ceases to count as just failed (a time; 0 unless all did); `costs` by index, less is better, in the
    policy's own unit (predicted_latency: seconds), infinite for those passed over."""

    index: int
    load: int
    candidates: int
    why: Why
    look_again: float = 0.0
    costs: Sequence[float] = ()


class Policy(Protocol):
    """`pool`: the indices that may be picked, never empty. `draw`: a random number in [0, 1). Returns the index, why
    and the costs."""

    def __call__(
        self, ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
    ) -> tuple[int, Why, Sequence[float]]: ...
