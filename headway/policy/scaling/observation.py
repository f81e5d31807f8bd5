"""What a scaler sees of one Model (or of one phase of it, where prompts and answers have replicas of their own).

All of it is known at the gateway, which owns the queue: it is there too when no replica is, and needs no metric of any
engine. What engines say themselves (`kv`) is a second opinion. Seconds, tokens and replicas throughout. An observation
without a sample is one of no load: whoever cannot see says so by not calling.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WINDOWS", "Backlog", "Capacity", "Observation", "Rate", "Starting", "Window"]

WINDOWS = (6.0, 30.0, 60.0, 300.0)
"""Every observation has these, in seconds. 6 and 60 are Knative's panic and stable windows
(knative.dev/serving, config-autoscaler), 30 is twice the pass of a HorizontalPodAutoscaler, 300 its stabilisation."""


@dataclass(frozen=True, slots=True)
class Window:
    """What came in the last `seconds` (fewer where nobody has looked for so long). `prompt`: tokens to be computed, so
    without those that were found cached; `output`: tokens that their answers are expected to have. `concurrency`:
    requests that waited or ran, the mean over the window."""

    seconds: float
    requests: float = 0.0
    prompt: float = 0.0
    output: float = 0.0
    concurrency: float = 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """Requests and their tokens, as in Window."""

    requests: int = 0
    prompt: float = 0.0
    output: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second that come."""

    prompt: float
    output: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one replica bears inside the SLO: `prefill` tokens of prompts a second if it did nothing else, `decode`
    tokens of answers a second if it did nothing else, so that a request takes `prompt / prefill + output / decode`
    replica-seconds; `sequences` at once. `first` and `token`: the least a long prompt's first token and a token of an
    answer take on an idle replica; what is above the SLO there, no number of replicas can mend."""

    prefill: float
    decode: float
    sequences: float
    first: float = 0.0
    token: float = 0.0

    def seconds(self, prompt: float, output: float) -> float:
        """Replica-seconds of so many tokens."""
        return prompt / self.prefill + output / self.decode


@dataclass(frozen=True, slots=True)
class Starting:
    """A replica that is on its way. `since`: how long; `eta`: until it is ready, as far as is known."""

    since: float
    eta: float


@dataclass(frozen=True, slots=True)
class Observation:
    """`ready` replicas answer; `draining` ones get nothing new, and are not counted among them.

    `waiting`: held at the gateway; `pending`: sent to a replica, and their first token has not come; `running`: all
    that were sent and have not ended. `cold_start`: from the decision to the first answer, as measured here (median).
    `idle`: since the last request ended, 0 while there is one. `idle_after`: how long idle before zero; None = never.
    `floor`: what cron asks for now. `budget`: money an hour, at `price` for a replica's hour; None = no bound.
    `forecast`: what is expected to come one cold start from now.
    """

    model: str
    ready: int
    starting: tuple[Starting, ...]
    windows: tuple[Window, ...]
    capacity: Capacity
    draining: int = 0
    low: int = 1
    high: int = 1
    waiting: Backlog = Backlog()
    pending: Backlog = Backlog()
    running: int = 0
    kv: float = 0.0  # highest share of KV memory in use of any ready replica
    cold_start: float = 120.0
    ttft: float | None = None  # the SLO's
    itl: float | None = None
    idle: float = 0.0
    idle_after: float | None = None
    floor: int = 0
    budget: float | None = None
    price: float | None = None
    forecast: Rate | None = None

    @property
    def present(self) -> int:
        """Replicas that are there or on their way."""
        return self.ready + len(self.starting)

    @property
    def has_work(self) -> bool:
        return self.waiting.requests > 0 or self.running > 0

    def over(self, seconds: float) -> Window:
        """The window of WINDOWS with this length."""
        return self.windows[WINDOWS.index(seconds)]
