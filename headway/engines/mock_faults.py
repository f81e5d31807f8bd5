"""Faults on request: what one request asks to go wrong with it (header `x-mock-fault`), or a share of all (flags).

A spec is one fault, with its number: `slow=2.5`, `status=429;retry-after=3`, `stall-after=5`, `half-close-after=5`,
`reset-after=5`, `error-after=5`, `silent`, `malformed`, `no-done`, or `none`, with which a request is spared what the
flags say.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, cast, get_args

from headway.engines.mock_text import BadRequest

__all__ = ["NO_FAULT", "Fault", "Faults", "parse"]

Kind = Literal[
    "none",
    "slow",
    "status",
    "stall-after",
    "half-close-after",
    "reset-after",
    "error-after",
    "silent",
    "malformed",
    "no-done",
]
_NUMBERED = ("slow", "status", "stall-after", "half-close-after", "reset-after", "error-after")
_MOST = {"slow": 3600.0, "status": 599.0}


@dataclass(frozen=True, slots=True)
class Fault:
    """`number`: seconds of `slow`, the code of `status`, tokens of the `-after`s."""

    kind: Kind = "none"
    number: float = 0
    retry_after: str = ""

    def after(self, kind: Kind) -> int | None:
        """After so many tokens, if it is of that kind."""
        return int(self.number) if self.kind == kind else None


NO_FAULT = Fault()


def parse(spec: str) -> Fault:
    """Raises BadRequest that says what is wrong with it."""
    first, _, more = spec.strip().partition(";")
    kind, _, number = first.strip().partition("=")
    if kind not in get_args(Kind):
        raise BadRequest(f"fault {spec!r}: no such fault; use one of {', '.join(get_args(Kind))}")
    value = _number(spec, kind, number)
    name, _, retry_after = more.strip().partition("=")
    if more and (kind != "status" or name != "retry-after" or not retry_after.isdecimal()):
        raise BadRequest(f"fault {spec!r}: after the semicolon only status takes retry-after=SECONDS")
    return Fault(cast("Kind", kind), value, retry_after)


def _number(spec: str, kind: str, text: str) -> float:
    if kind not in _NUMBERED:
        if text:
            raise BadRequest(f"fault {spec!r}: {kind} takes no number")
        return 0
    least = 400 if kind == "status" else 0
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not least <= value <= _MOST.get(kind, 1e9) or (kind != "slow" and value != int(value)):
        raise BadRequest(f"fault {spec!r}: {kind} takes a number of {least} or more, as in {kind}={least or 5}")
    return value


class Faults:
    """Which fault a request has: its own wish, else one of the flags by lot. The lots are the same for a seed."""

    def __init__(self, specs: tuple[Fault, ...], share: float, seed: int) -> None:
        self._specs = specs
        self._share = share
        self._lots = random.Random(seed)  # noqa: S311 - lots, not secrets

    def draw(self, wish: str) -> Fault:
        """Raises BadRequest for a wish that is none."""
        if wish:
            return parse(wish)
        if self._specs and self._lots.random() < self._share:
            return self._lots.choice(self._specs)
        return NO_FAULT
