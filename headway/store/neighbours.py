"""The other gateways of a shared ledger, as one hub knows them from settlement to settlement."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headway.policy.budget import Limit
from headway.store.ledger import Books, Ledger
from headway.store.pool import ALONE, BEAT_SECONDS, LOST_SECONDS, Elsewhere, Level, Pool, Presence, Share

__all__ = ["Neighbours", "Situation"]

HEAR_SECONDS = 0.25
"""Between looks for who lacks something: well within the time that a request waits for more."""


class Situation:
    """One settlement: what the others hold and want, by tenant and limit."""

    def __init__(self, presence: Presence, elsewhere: Mapping[tuple[str, Limit], Elsewhere]) -> None:
        self.presence, self._elsewhere = presence, elsewhere

    def of(self, tenant: str, limit: Limit) -> Elsewhere:
        return self._elsewhere.get((tenant, limit), ALONE)


class Neighbours:
    def __init__(self, ledger: Ledger, host: str) -> None:
        self._ledger, self._host = ledger, host
        self._told: dict[tuple[str, Limit], Share] = {}
        self._levels: dict[tuple[str, Limit], Level] = {}
        self._heard_at = self._beat_at = float("-inf")
        self._here_since: float | None = None  # by the database: since when it was reached without a break

    def due(self, monotonic: float) -> bool:
        """It is time to be seen."""
        return monotonic - self._beat_at >= BEAT_SECONDS

    def wanting(self, monotonic: float) -> list[str]:
        """Tenants of whom somebody elsewhere lacks something; now and then."""
        if monotonic - self._heard_at < HEAR_SECONDS:
            return []
        self._heard_at = monotonic
        return self._ledger.wanted(self._host)

    def attend(self, books: Books, pool: Pool, monotonic: float) -> Presence:
        """Be seen, and charge what lost gateways held. After a break of our own, or of the database, the others get
        as long as we did to be seen again."""
        presence = pool.beat()
        if self._here_since is None or presence.was_lost:
            self._here_since = presence.now
            self._told = {}
        if presence.now - self._here_since >= LOST_SECONDS and presence.silent:
            books.take_for_used(pool.lost(presence.now))
            books.forget(pool.forgotten(presence.now))
        self._beat_at = monotonic
        return presence

    def broken(self) -> None:
        """The database could not be reached, or what it did is not known."""
        self._here_since = None

    def levels(self, pool: Pool, tenants: Collection[str]) -> Mapping[tuple[str, Limit], Level]:
        self._levels = pool.levels(tenants)
        return self._levels

    def tell(
        self, pool: Pool, shares: Mapping[tuple[str, Limit], Share], levels: Mapping[tuple[str, Limit], Level]
    ) -> None:
        """What changed."""
        pool.tell({key: share for key, share in shares.items() if self._told.get(key) != share})
        self._told |= shares
        pool.keep({key: level for key, level in levels.items() if not _same(self._levels.get(key), level)})

    def drop(self, pool: Pool, known: Collection[tuple[str, Limit]]) -> None:
        """Limits that a tenant has no more."""
        gone = self._told.keys() - set(known)
        pool.tell({key: Share(0, 0, 0) for key in gone})
        for key in gone:
            del self._told[key]


def _same(before: Level | None, now: Level) -> bool:
    """A full bucket that is refilled stays the same: not worth a write."""
    return now.full and before is not None and (before.level, before.held) == (now.level, now.held)
