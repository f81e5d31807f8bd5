"""Endpoints in trouble: what counts against one, and who is told. The decisions are policy.ejection's.

Only failures bring anybody here: an endpoint that works costs nothing. Counted against it are requests that were lost
there, and answers with a 5xx where its siblings answer well: an engine that fails fast has the shortest line of all,
and would draw every request. An ejection is told to the other workers, and so is its end.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.gateway.frames import Ejected
from headway.policy.ejection import EjectionRules, is_outlier

if TYPE_CHECKING:
    from headway.gateway.core import Gateway
    from headway.gateway.upstream import Upstream

__all__ = ["Trouble"]

log = logging.getLogger("headway.gateway")

RECENT_SECONDS = 30.0
"""Errors are compared over the last one to two of these."""
_UNREACHABLE = ("refused", "unreachable")


class Trouble:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def lost(self, upstream: Upstream, model: str, reason: str) -> None:
        """A request was lost there."""
        now = self._gateway.time()
        upstream.unreachable = reason.partition(":")[0] in _UNREACHABLE
        ejected, of = self._siblings(model)
        if upstream.failed(now, self._rules(), ejected=ejected, of=of):
            self._tell(upstream, reason)

    def erred(self, upstream: Upstream, model: str, status: int) -> None:
        """It answered with a 5xx: its own fault if its siblings do not."""
        now = self._gateway.time()
        upstream.errors += 1
        upstream.unreachable = False
        route = self._gateway.catalog.routes.get(model)
        if route is None or upstream not in route.upstreams:
            return
        shares = {each.id: _recent(each, now) for each in route.upstreams}
        own = shares.pop(upstream.id)
        if upstream.health.on_trial or is_outlier(own, list(shares.values())):
            ejected, of = self._siblings(model)
            if upstream.eject(now, self._rules(), ejected=ejected, of=of):
                self._tell(upstream, f"status {status} for {own[0]} of {own[1]} requests")

    def over(self, upstream: Upstream) -> None:
        """It answered, after it had failed."""
        if upstream.worked(self._gateway.time()):
            _forget(upstream, self._gateway.time())
            log.info("endpoint %s is back", upstream.id)
            self._gateway.hub.say(Ejected(upstream.slot, 0.0))
        if not upstream.troubled:
            self._gateway.look_soon()

    def came(self, news: Ejected) -> None:
        """Another worker's."""
        for upstream in self._gateway.catalog.at(news.slot):
            upstream.told(news.until)

    def _siblings(self, model: str) -> tuple[int, int]:
        route = self._gateway.catalog.routes.get(model)
        upstreams: Sequence[Upstream] = route.upstreams if route else ()
        return sum(each.health.ejected for each in upstreams), len(upstreams)

    def _rules(self) -> EjectionRules:
        settings = self._gateway.settings
        return EjectionRules(
            settings.cooldown_seconds,
            settings.cooldown_max_seconds,
            settings.eject_after,
            settings.eject_seconds,
            settings.eject_max_seconds,
            settings.eject_share,
        )

    def _tell(self, upstream: Upstream, why: str) -> None:
        seconds = upstream.cooling_until - self._gateway.time()
        log.warning("endpoint %s is ejected for %.1f s: %s", upstream.id, seconds, why)
        self._gateway.tally.ejected(upstream.replica)
        self._gateway.hub.say(Ejected(upstream.slot, upstream.cooling_until))


def _recent(upstream: Upstream, now: float) -> tuple[int, int]:
    recent = upstream.recent
    found = upstream.errors - recent.errors, upstream.total - recent.total
    if now - recent.at > 2 * RECENT_SECONDS:
        _forget(upstream, now)
    return found


def _forget(upstream: Upstream, now: float) -> None:
    recent = upstream.recent
    recent.at, recent.errors, recent.total = now, upstream.errors, upstream.total
