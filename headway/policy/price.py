"""What tokens cost, in whole numbers: micro-money (millionths of the Site's currency), rounded up once a request.

A price is micro-money per million tokens, so that 0.15 for a million is exact and a single token still counts.
"""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["PER", "Price", "cost"]

PER: Final = 1_000_000
"""Tokens that a price is for."""


class Price(Protocol):
    """Micro-money per million tokens; `cached` is for prompt tokens that the engine had in its cache."""

    @property
    def input(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def output(self) -> int: ...


def cost(price: Price | None, prompt: int, completion: int, cached: int = 0) -> int:
    """Micro-money; `cached` of the prompt tokens are charged at their own price. Without a price it costs nothing."""
    if price is None:
        return 0
    cached = min(cached, prompt)
    total = (prompt - cached) * price.input + cached * price.cached + completion * price.output
    return -(-total // PER)
