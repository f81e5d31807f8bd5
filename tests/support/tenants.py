"""A tenant's rule as the gateway's table has it, for tests of what stands below the gateway."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["APrice", "ARule"]


@dataclass(frozen=True, slots=True)
class ARule:
    name: str = "team"
    models: tuple[str, ...] | None = None
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    day_tokens: int | None = None
    day_micros: int | None = None
    month_tokens: int | None = None
    month_micros: int | None = None


@dataclass(frozen=True, slots=True)
class APrice:
    input: int = 150_000
    cached: int = 75_000
    output: int = 600_000
