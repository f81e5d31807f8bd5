"""When an endpoint is passed over, for how long, and how it comes back. Pure: one state an endpoint, time passed in.

    working   a failure: cooling, a moment that doubles with each further failure in a row
    cooling   when it is over: working again, for everybody
    ejected   after `after` failures in a row, or as an outlier among its siblings; a pause that doubles each time
    trial     when that is over: one request goes there, the others pass it over; it decides

Ejections are bounded by a share of a Model's endpoints: where more than that fail it is not the endpoints that are odd,
and the rest would only be overloaded (Envoy's panic threshold). Beyond the share an endpoint merely cools. What an
endpoint was ejected for is forgotten one time for each `longest` seconds that it worked since.

Slow endpoints are never ejected: routing by predicted latency sends them what they can do, and behind one name there
may be unlike machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from headway.policy.routing.cooldown import cooldown

__all__ = ["LEAST_REQUESTS", "TRIAL_SECONDS", "EjectionRules", "Health", "is_outlier"]

TRIAL_SECONDS = 5.0
"""For one request on trial; if it has not decided by then, another goes."""
LEAST_REQUESTS = 20
_ERRORS, _TIMES = 0.2, 4.0
"""An outlier answers a fifth of its requests with errors, and four times the share that is usual among its siblings.
The median stands for what is usual: with Envoy's mean less 1.9 deviations nobody is ever odd among fewer than five."""


@dataclass(frozen=True, slots=True)
class EjectionRules:
    """`first` and `longest` are of the short pause, those with `eject_` of an ejection; seconds."""

    first: float
    longest: float
    after: int
    eject_first: float
    eject_longest: float
    share: float


class Health:
    """`until`: it is passed over till then. `ejected` lasts until a trial went well."""

    __slots__ = ("_back_at", "_times", "ejected", "on_trial", "streak", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self.streak = 0
        self.ejected = self.on_trial = False
        self._times = 0  # that it was ejected, as far as they are not forgotten
        self._back_at = 0.0

    @property
    def troubled(self) -> bool:
        return self.streak > 0 or self.ejected

    def failed(self, now: float, rules: EjectionRules, *, ejected: int, of: int) -> bool:
        """A request was lost there; `ejected` of its `of` siblings (itself included) are. True: it is now. Requests
        that one death took together count once."""
        if now < self.until and not self.on_trial:
            return False
        self.streak += 1
        if (self.on_trial or self.streak >= rules.after) and self.eject(now, rules, ejected=ejected, of=of):
            return True
        self.ejected = self.on_trial = False
        self.until = now + cooldown(self.streak, rules.first, rules.longest)
        return False

    def eject(self, now: float, rules: EjectionRules, *, ejected: int, of: int) -> bool:
        """Unless too many are."""
        if ejected - self.ejected + 1 > rules.share * of:
            return False
        if not self.ejected:
            self._times = max(0, self._times - int((now - self._back_at) / rules.eject_longest))
        pause = min(rules.eject_longest, rules.eject_first * 2 ** min(self._times, 30))
        self._times += 1
        self.until, self.ejected, self.on_trial = now + pause, True, False
        return True

    def ejected_elsewhere(self, until: float) -> None:
        """Another worker ejected it; it tries first."""
        self.ejected, self.on_trial = True, False
        self.until = max(self.until, until + TRIAL_SECONDS)

    def tried(self, now: float) -> None:
        """A request is sent there."""
        if self.ejected and now >= self.until:
            self.on_trial, self.until = True, now + TRIAL_SECONDS

    def worked(self, now: float) -> bool:
        """It answered. True when it is back from an ejection; while it is ejected only a trial says anything."""
        if self.ejected and not self.on_trial:
            return False
        back = self.ejected
        if back:
            self._back_at = now
        self.streak, self.until, self.ejected, self.on_trial = 0, 0.0, False, False
        return back

    def reachable(self, now: float) -> None:
        """Somebody heard from it: there is no need to wait for the trial."""
        if self.ejected and not self.on_trial:
            self.until = min(self.until, now)


def is_outlier(own: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Whether an endpoint answers with so many more errors than its siblings that it is to blame and not the requests.
    Each: errors and requests of the same last while."""
    errors, requests = own
    shares = [bad / of for bad, of in others if of >= LEAST_REQUESTS]
    if requests < LEAST_REQUESTS or not shares:
        return False
    return errors / requests > max(_ERRORS, _TIMES * median(shares))
