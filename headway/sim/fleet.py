"""What is simulated: Models with their replicas, Routes over them, tenants, and what goes wrong. Values only.

Seconds, bytes, tokens; money in the Site's currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from headway.perf.step.shape import Limits, StepTime
from headway.policy.admission import Rule
from headway.policy.price import Price
from headway.policy.route import RouteRule, Slo
from headway.policy.routing import PolicyName
from headway.policy.scaling.observation import Capacity
from headway.policy.scaling.scaler import Scaler

__all__ = ["DEADLINE", "ColdStart", "Faults", "Fleet", "Manners", "Served", "Shared", "Split", "Tenant"]


NO_SLO = Slo()
DEADLINE = 600.0
"""The gateway's."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """From the decision to the first answer, in stages. All of it is paid for."""

    schedule: float = 0.0  # a node is found or comes
    pull: float = 0.0  # the image
    load: float = 0.0  # the weights
    warm: float = 0.0  # compilation, graphs, the first answers

    @property
    def seconds(self) -> float:
        return self.schedule + self.pull + self.load + self.warm


@dataclass(frozen=True, slots=True)
class Split:
    """Prompts are computed by the Model's replicas and answers written by `decoders` others, fixed in number. A
    prompt's keys and values go over a link of `link` bytes/s, `kv_bytes` for each token, and `hop` seconds."""

    decoders: int
    kv_bytes: float
    link: float
    hop: float = 0.001
    step: StepTime | None = None  # of a decoder, where it is another
    limits: Limits | None = None

    def transfer(self, tokens: int) -> float:
        return self.hop + tokens * self.kv_bytes / self.link


@dataclass(frozen=True, slots=True)
class Faults:
    """Of one replica. Hours between two deaths and two spot preemptions, on the mean (exponential; 0: none). A spot
    instance is told so many seconds before; it takes nothing new from then on."""

    death_hours: float = 0.0
    spot_hours: float = 0.0
    spot_notice: float = 30.0
    noticed: float = 1.0  # seconds until the gateway's table names a dead one no more


@dataclass(frozen=True, slots=True)
class Shared:
    """Cores that all replicas of a Model have in common, `threads` of them each while it computes; `slower`: by what
    share a step takes longer for each other replica at work."""

    slower: float
    cores: int
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Served:
    """A Model as it is served. `step` and `limits`: of one replica's engine. `replicas` are there at the beginning
    (`warm`), or begin to start then. `places`: requests that the gateway sends to one replica at once, while others
    wait in the fair line; 0: any. `price`: of a replica's hour; `charge`: of tokens. `before`: seconds in front of the
    engine's scheduler (HTTP, tokenising), added to what a caller sees and to nothing else. `wrap`: tokens that the chat
    template adds to each prompt. `known`: the gateway has served such replicas before and has learned how fast they
    are. `shared`: None where each replica has accelerators of its own. `source`: of the constants of `step`, for
    people."""

    name: str
    step: StepTime
    limits: Limits
    replicas: int = 1
    low: int | None = None
    high: int | None = None
    scaler: Scaler | None = None
    capacity: Capacity | None = None
    cold: ColdStart = ColdStart()
    warm: bool = True
    policy: PolicyName = "predicted_latency"
    places: int = 0
    slo: Slo = NO_SLO
    price: float = 0.0
    charge: Price | None = None
    before: float = 0.0
    idle_after: float | None = None
    prefix_cache: bool = True
    adapter_slots: int = 0
    adapter_seconds: float = 0.5
    split: Split | None = None
    faults: Faults = Faults()
    deadline: float = DEADLINE  # of a whole request
    hardware: str = ""  # what a replica is, for people
    source: str = ""
    wrap: int = 0
    known: bool = False
    shared: Shared | None = None


class Tenant(Rule, Protocol):
    """As the gateway's table has it."""

    @property
    def priority(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def isolated(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Manners:
    """How the gateway behaves; its own defaults (gateway.settings), which a test holds against these."""

    retry_ratio: float = 0.2
    retry_floor: float = 10.0
    retry_pause: float = 0.1  # until it asks the budget again
    tries_max: int = 16
    cooldown: float = 0.2
    cooldown_max: float = 2.0
    eject_after: int = 5
    eject: float = 5.0
    eject_max: float = 30.0
    eject_share: float = 0.5
    waiting_max: int = 1024
    wait: float = 30.0
    wait_grace: float = 30.0
    index_blocks: int = 200_000
    scrape: float = 1.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """`aliases`: names of requests that mean one of these Models; "" in it is for all others."""

    served: tuple[Served, ...]
    routes: tuple[RouteRule, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    manners: Manners = Manners()
