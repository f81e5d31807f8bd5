"""One request on its way through the simulated gateway and engines."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from headway.perf.traffic.planned import Piece
from headway.policy.routing import Stay

if TYPE_CHECKING:
    from headway.sim.accounts import Reservation
    from headway.sim.endpoint import Endpoint

__all__ = ["Ended", "Job"]


class Ended(StrEnum):
    FINISHED = "finished"
    LEFT = "left"  # its caller left early, as planned
    REFUSED = "refused"  # by limits
    UNSERVED = "unserved"  # nobody could take it: no replica in time, line full, too long for the engine
    LOST = "lost"  # its replica died after the first token, or every try
    LATE = "late"  # past its deadline


@dataclass(slots=True, eq=False)
class Job:
    """`due`: when it was to come; seconds. `output`: tokens until its end, or until its caller leaves (`leaves`).
    `seen`: tokens of prompt as they count for routing; `chain`: its prefix as the gateway hashes it."""

    number: int
    due: float
    stage: int
    model: str
    tenant: str
    adapter: str
    prompt: int
    output: int
    pieces: tuple[Piece, ...]
    answer: int
    leaves: bool = False
    session: int = -1
    caller: int = -1
    last: bool = True
    chain: list[int] = field(default_factory=list)
    stay: Stay[Endpoint] | None = None
    claimed: float = 0.0
    tries: int = 0
    shunned: frozenset[str] = frozenset()
    route: str = ""
    tried: set[str] = field(default_factory=set)
    held: Reservation | None = None
    lined: bool = False
    has_turn: bool = False
    sent_at: float = -1.0
    first_at: float = -1.0
    cached: int = 0
    waited_until: float = 0.0
    ended: Ended | None = None
