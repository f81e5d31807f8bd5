"""What every tool is asked for alike, and what it says afterwards; how one tool is spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["Asked", "Command", "Place", "Told", "Tool"]

MODEL = "mock"


@dataclass(frozen=True, slots=True)
class Asked:
    """`requests` at `rate` a second. `in_flight`: the most that the tool shall have under way (None: as it comes out of
    the box). `ttft`: seconds, the limit for its goodput."""

    rate: float
    requests: int
    pattern: Literal["constant", "poisson"] = "constant"
    prompt: int = 64
    output: int = 16
    stream: bool = True
    in_flight: int | None = None
    ttft: float = 0.2
    seed: int = 7

    @property
    def seconds(self) -> float:
        return self.requests / self.rate


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is the tool's own for this run; `tokenizer` a folder as `transformers` reads it."""

    folder: Path
    tokenizer: Path
    url: str


@dataclass(frozen=True, slots=True)
class Command:
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says: seconds, requests a second; None = it has no such figure. `good`: the share inside the limit.
    `itl`: its own mean of the time between tokens, whatever it calls that. `words`: what it concludes, in its words."""

    ttft_p50: float | None = None
    ttft_p99: float | None = None
    itl: float | None = None
    rate: float | None = None
    good: float | None = None
    words: str = ""


class Tool(Protocol):
    """`limits`: whether it can be told how many requests it may have in flight in an open loop."""

    name: str
    limits: bool

    def set_up(self, cache: Path) -> str:
        """Its version, once it is there. Raises Missing where it cannot be had."""

    def command(self, asked: Asked, place: Place) -> Command:
        """Writes its configuration and says how it is started."""

    def told(self, place: Place, output: str) -> Told:
        """Reads what it has written; `output` is what it printed. Raises BenchError when that is nothing."""
