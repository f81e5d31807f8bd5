"""`simulate`: a fleet, traffic and a seed in; what its users would have felt and what it would have cost out."""

from __future__ import annotations

from headway.errors import UsageError
from headway.perf.traffic.planned import Traffic
from headway.sim.closing import Closing
from headway.sim.fleet import Fleet
from headway.sim.front import Front
from headway.sim.measure.spans import Spans
from headway.sim.outcome import Outcome, outcome_of
from headway.sim.talks import Callers, Sessions

__all__ = ["simulate"]


def simulate(
    fleet: Fleet,
    traffic: Traffic,
    *,
    seed: int = 0,
    closed: bool = False,
    spans: Spans | None = None,
    closing: Closing | None = None,
) -> Outcome:
    """Until the last request has ended. `closed`: the traffic is of callers that wait. `closing`: filled in for the
    first Model. The traffic is read once, as it comes; only what has not ended is held.

    The same fleet, traffic and seed give the same Outcome on every Python. Raises UsageError for traffic without a
    request, and what reading it raises.
    """
    front = Front(fleet, seed, spans=spans)
    if closing is not None:
        closing.of(front, fleet.served[0].name)
    if closed:
        callers = Callers(front, traffic)
        front.told = callers.ended
        _drain(front, callers)
    else:
        sessions = Sessions(front)
        front.told = sessions.ended
        _feed(front, traffic, sessions)
        _drain(front, sessions)
    if not front.ledger.came_total:
        raise UsageError("the traffic has no request", hint="look at the trace, or at its from, for and share")
    return outcome_of(front, seed)


def _feed(front: Front, traffic: Traffic, sessions: Sessions) -> None:
    agenda = front.agenda
    for planned in traffic:
        at = planned.at
        while agenda.next < at:
            agenda.turn()
        agenda.now = max(agenda.now, at)
        sessions.planned(planned)


def _drain(front: Front, ahead: Sessions | Callers) -> None:
    agenda = front.agenda
    while len(agenda) and (front.inside or ahead.due):
        agenda.turn()
