"""What was tried of one request: an Attempt for each endpoint it was meant for, and how often it reached one."""

from __future__ import annotations

from headway.gateway.record import Attempt
from headway.policy.routing import Choice

__all__ = ["Tries"]


class Tries:
    """`reached` counts those since the request came to its Model: what its retries are limited by. Times are loop time;
    in an Attempt they are seconds since the request was accepted."""

    __slots__ = ("_accepted", "all", "reached")

    def __init__(self, accepted: float) -> None:
        self.all: list[Attempt] = []
        self.reached = 0
        self._accepted = accepted

    def begin(self, endpoint: str, choice: Choice, among: tuple[str, ...], now: float) -> Attempt:
        attempt = Attempt(endpoint, now - self._accepted, why=choice.why, among=among, costs=choice.costs)
        self.all.append(attempt)
        return attempt

    def once_more(self, now: float) -> None:
        """At the same endpoint: the connection had been closed while it was idle."""
        last, at = self.all[-1], now - self._accepted
        self.all.append(Attempt(last.endpoint, at, "", last.why, last.among, last.costs, span=last.span))
        last.failure, last.span = "closed while idle", ""

    def failed(self, reason: str, now: float) -> None:
        last = self.all[-1]
        last.failure, last.ended = reason, now - self._accepted

    def ran_out(self) -> None:
        """Of time, in the one that runs, if one does."""
        if self.all and not self.all[-1].failure:
            self.all[-1].failure = "timeout"
