"""What a policy returned: the action, a reason from a closed list, the numbers that decided, when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Action", "Decision", "Reason"]


class Action(StrEnum):
    START = "start"  # bring one more Replica into being
    DRAIN = "drain"  # stop routing to a Replica, let its requests end, end it
    ADOPT = "adopt"  # a Replica found running is the one that was wanted
    RESTART = "restart"  # a Replica ended by itself; start it again
    WAIT = "wait"  # nothing can be done now; look again later
    REFUSE = "refuse"  # cannot be done as asked
    KEEP = "keep"  # as wanted


class Reason(StrEnum):
    """The closed list. docs/reasons.md says of each what it means and what to do; a test compares the two."""

    AS_WANTED = "AsWanted"
    TOO_FEW_REPLICAS = "TooFewReplicas"
    TOO_MANY_REPLICAS = "TooManyReplicas"
    NEW_REVISION = "NewRevision"
    OLD_REVISION = "OldRevision"
    NOT_WANTED = "NotWanted"
    FOUND_RUNNING = "FoundRunning"
    PREPARING = "Preparing"
    STARTING = "Starting"
    READY = "Ready"
    DRAINING = "Draining"
    ENGINE_EXITED = "EngineExited"
    KILLED_FROM_OUTSIDE = "KilledFromOutside"
    CRASH_LOOP = "CrashLoop"
    START_TIMEOUT = "StartTimeout"
    NOT_ANSWERING = "NotAnswering"
    PREPARE_FAILED = "PrepareFailed"
    NOT_ENOUGH_MEMORY = "NotEnoughMemory"
    NO_SUCH_GPU = "NoSuchGpu"
    NO_FREE_GPU = "NoFreeGpu"
    UNSCHEDULABLE = "Unschedulable"
    EXTERNAL = "External"
    NAME_TAKEN = "NameTaken"
    SPEC_INVALID = "SpecInvalid"
    REFUSED = "Refused"
    REPAIRED = "Repaired"
    CONTESTED = "Contested"
    HELD_BY_OTHERS = "HeldByOthers"
    ENOUGH = "Enough"
    DEMAND_ROSE = "DemandRose"
    BACKLOG = "Backlog"
    WOKEN = "Woken"
    ON_THE_WAY = "OnTheWay"
    START_OVERDUE = "StartOverdue"
    ENGINES_FULL = "EnginesFull"
    SCHEDULED_FLOOR = "ScheduledFloor"
    FORECAST = "Forecast"
    RECENT_PEAK = "RecentPeak"
    SURVIVORS_WOULD_NOT_FIT = "SurvivorsWouldNotFit"
    DEMAND_FELL = "DemandFell"
    IDLE = "Idle"
    AT_ITS_MOST = "AtItsMost"
    OVER_BUDGET = "OverBudget"
    SLO_INFEASIBLE = "SloInfeasible"
    BY_METRIC = "ByMetric"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one object. Times are seconds; `look_again` counts from now, None = when something changes."""

    object: str
    action: Action
    reason: Reason
    message: str
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    look_again: float | None = None
