"""Which Records outlive the worker's ring: chosen as they end, told to the hub some at a time.

Every failed, refused or slow request, a fraction of the rest, and any while there are few, so that a laptop's gateway
forgets nothing. A flood of refusals fills neither the channel nor the disk: beyond `MOST_ODD` a second only the
fraction is told of them too.

The fraction is drawn by conversation where the caller names one (x-session-id, prompt_cache_key, user): a trace of
whole conversations can be played again, one of single turns cannot.
"""

from __future__ import annotations

import array
import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.gateway.frames import Keep, Kept, Told
from headway.gateway.record import Record
from headway.wire.calls import TextCall

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.hubline import HubLine

__all__ = ["Keeper"]

TELL_SECONDS = 0.25
FEW = 5
"""Told of any kind, in TELL_SECONDS: 20 a second."""
MOST_ODD = 25
"""Failed, refused and slow ones told in TELL_SECONDS: 100 a second."""
MOST_HELD = 2000
"""Told at once at the most; what a hub cannot take in time is dropped and counted."""
_LEFT = 499
_NEVER = 1 << 62


class Keeper:
    """Until the hub has said what to keep, nothing is."""

    def __init__(self, hub: HubLine, loop: asyncio.AbstractEventLoop, draw: Callable[[], float]) -> None:
        self._hub, self._loop, self._draw = hub, loop, draw
        self._keep = Keep(0.0, math.inf)
        self._slow = math.inf
        self._few = self._odd = 0
        self._gap = _NEVER  # requests until the next one of the fraction
        self._sessions = 0  # a session whose hash is below this is of the fraction
        self._held: deque[Told] = deque()
        self._dropped = 0
        self._telling = False

    def use(self, keep: Keep) -> None:
        self._keep, self._slow = keep, keep.slow
        self._few, self._odd = FEW, MOST_ODD
        self._sessions = int(keep.fraction * 2**64)
        self._gap = self._next_gap()

    def see(self, record: Record, asked: Asked) -> None:
        """A request ended. For nearly all of them this is all that is done."""
        self._gap -= 1
        if (
            self._gap <= 0
            or self._few
            or record.status >= 400
            or record.error
            or record.trace is not None
            or (record.ttft is not None and record.ttft > self._slow)
            or ((prompt := asked.known_prompt) is not None and 0 < prompt.session < self._sessions)
        ):
            self._choose(record, asked)

    def _choose(self, record: Record, asked: Asked) -> None:
        session = prompt.session if (prompt := asked.known_prompt) else 0
        sampled = 0 < session < self._sessions
        if self._gap <= 0:
            self._gap = self._next_gap()
            sampled = sampled or not session
        odd = _oddness(record, self._slow)
        kept = ""
        if sampled:
            kept = odd or "sample"
        elif odd and self._odd:
            self._odd -= 1
            kept = odd
        elif self._few:
            self._few -= 1
            kept = "quiet"
        if kept or record.trace is not None:
            self._tell_soon(self._told(record, asked, kept, sampled))

    def _told(self, record: Record, asked: Asked, kept: str, sampled: bool) -> Told:
        prompt, call = asked.known_prompt, asked.known_call
        told = Told(record, kept, sampled, self._keep.fraction, asked.operation.name)
        if prompt is not None:
            told.prompt_bytes, told.session = prompt.bytes, prompt.session
            told.blocks = array.array("Q", prompt.hashes).tobytes()
        if isinstance(call, TextCall):
            told.max_tokens = call.max_completion_tokens or call.max_tokens
        return told

    def _tell_soon(self, told: Told) -> None:
        if len(self._held) >= MOST_HELD or not self._hub.there:
            self._dropped += 1
            return
        self._held.append(told)
        if not self._telling:
            self._telling = True
            self._loop.call_later(TELL_SECONDS, self.tell)

    def tell(self) -> None:
        """What is held, now."""
        self._telling = False
        self._few, self._odd = FEW, MOST_ODD
        self._hub.say(Kept(list(self._held), self._dropped))
        self._held.clear()
        self._dropped = 0

    def _next_gap(self) -> int:
        """Geometric: each request has the same chance, whatever came before."""
        fraction = self._keep.fraction
        if fraction <= 0.0:
            return _NEVER
        if fraction >= 1.0:
            return 1
        return 1 + int(math.log(1.0 - self._draw()) / math.log(1.0 - fraction))


def _oddness(record: Record, slow: float) -> str:
    if record.status >= 500 or (record.status == 200 and record.error):
        return "failed"
    if record.status == _LEFT:
        return "left"
    if record.status >= 400:
        return "refused"
    return "slow" if record.ttft is not None and record.ttft > slow else ""
