"""What the hub and its workers say to each other, and the connection they say it on.

The connection (wire.channel) is a socket pair that the worker inherits: it ends when either process ends, and that is
how each learns of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from headway.gateway.counts import Counts
from headway.gateway.record import Record, Stats
from headway.gateway.table import RoutingTable
from headway.wire import channel

__all__ = [
    "Applied",
    "Channel",
    "Ejected",
    "Frame",
    "Freed",
    "Full",
    "Heard",
    "Hello",
    "Join",
    "Keep",
    "Kept",
    "Lease",
    "Leave",
    "Lent",
    "Lined",
    "Load",
    "Look",
    "Looked",
    "Metrics",
    "Queueing",
    "Said",
    "Scrape",
    "Sent",
    "Short",
    "Told",
    "Took",
    "Turn",
    "Use",
    "Want",
]


class Use(msgspec.Struct, tag="use"):
    """Hub to worker: route by this table. `slots`: endpoint id -> its slot on the board; `salt`: the key of tenants'
    salts."""

    table: RoutingTable
    slots: dict[str, int]
    salt: bytes


class Want(msgspec.Struct, tag="want"):
    """Hub to worker: say this, under the same number. `since` is for records, `id` for the record of one request."""

    number: int
    what: Literal["stats", "counts", "records", "record"]
    since: int = 0
    id: str = ""


class Metrics(msgspec.Struct, tag="metrics"):
    """Hub to worker: the answer to a Scrape."""

    number: int
    text: bytes


class Heard(msgspec.Struct, tag="heard"):
    """Hub to worker: what engines last said of themselves, by slot; None = it says nothing."""

    signals: dict[int, Load | None]


class Load(msgspec.Struct, frozen=True, array_like=True):
    """The part of an engine's Signals that routing uses."""

    running: int = 0
    waiting: int = 0
    kv_used: float | None = None
    kv_tokens: int | None = None
    adapters: tuple[str, ...] | None = None


class Sent(msgspec.Struct, tag="sent"):
    """Worker to hub, and on to the other workers: these prompts went to the endpoint in this slot. A chain is its
    hashes, 8 bytes each, in the machine's order."""

    slot: int
    chains: list[bytes]


class Ejected(msgspec.Struct, tag="ejected"):
    """Worker to hub, and on to the other workers: the endpoint in this slot is passed over till then (loop time, which
    is the host's); 0 = it is back."""

    slot: int
    until: float


class Lease(msgspec.Struct, tag="lease"):
    """Hub to worker: its section of the lease file, in which it holds what is lent of tenants' limits."""

    path: str
    section: int


class Lent(msgspec.Struct, tag="lent"):
    """Hub to worker: it has shared out; look at the section."""


class Short(msgspec.Struct, tag="short"):
    """Worker to hub: somebody waits for more of a limit, or something was given back."""


class Join(msgspec.Struct, tag="join"):
    """Worker to hub: this request waits for a place at an endpoint of its model. `cost` in prompt tokens, `size` in
    bytes."""

    number: int
    model: str
    tenant: str
    priority: str
    weight: float
    cost: float
    size: int
    patience: float = math.inf  # seconds until its deadline


class Leave(msgspec.Struct, tag="leave"):
    """Worker to hub: it does not wait any more, or makes no use of its turn."""

    number: int


class Took(msgspec.Struct, tag="took"):
    """Worker to hub: it made use of its turn; the board shows it."""

    number: int


class Freed(msgspec.Struct, tag="freed"):
    """Worker to hub: a request of a model for which others wait has ended, with so many answer tokens."""

    model: str
    tenant: str
    priority: str
    weight: float
    tokens: int


class Lined(msgspec.Struct, tag="lined"):
    """Hub to worker: it waits. `ahead` of it go so many of those `waiting`; its turn comes in about `eta` seconds."""

    number: int
    ahead: int | None
    waiting: int
    eta: float


class Turn(msgspec.Struct, tag="turn"):
    """Hub to worker: a place is free for this request."""

    number: int


class Full(msgspec.Struct, tag="full"):
    """Hub to worker: there is no room for this one to wait; `eta` = seconds until there may be. `late`: there is room,
    but its turn would come after its deadline."""

    number: int
    eta: float
    late: bool = False


class Queueing(msgspec.Struct, tag="queueing"):
    """Hub to worker: who comes for these models waits behind those who do; the others go straight on."""

    models: list[str]


class Shelved(msgspec.Struct, frozen=True, array_like=True):
    """One thing on a shelf. `identity`: what exactly the endpoint served that said it; `kind`: the header line of what
    the body is; `tokens`: of the prompt and of the answer, as the engine counted them."""

    key: bytes
    identity: str
    kind: bytes
    body: bytes
    tokens: tuple[int, int] = (0, 0)


class Look(msgspec.Struct, tag="look"):
    """Worker to hub: is this kept? Only of these identities, and not older than `youngest` seconds. `flight` is that
    of all equal requests; `waits`: for the answer of one of them, if there is one."""

    number: int
    shelf: str
    flight: bytes
    keys: list[bytes]
    identities: list[str]
    youngest: float | None = None
    waits: bool = True


class Looked(msgspec.Struct, tag="looked"):
    """Hub to worker: what is kept. If not all is: `wait`, another asks the engine already, and this is said again when
    it is back; `lead`, others may come to wait for you; `go`, nobody will. `age` is the oldest one's, in seconds."""

    number: int
    role: Literal["go", "lead", "wait"]
    found: list[Shelved | None]
    age: float = 0.0


class Shelve(msgspec.Struct, tag="shelve"):
    """Worker to hub: a Look is over, and brought this. `again`: another had better try, for this one was not answered.
    `number` 0: nothing was looked for."""

    number: int
    shelf: str
    brought: list[Shelved]
    again: bool = False


class Keep(msgspec.Struct, tag="keep", frozen=True):
    """Hub to worker: tell of these requests as they end. Seconds until the first byte from which one is `slow`; of the
    others a `fraction`, and any while there are few; `traced`: of those whose caller does not say, None = none."""

    fraction: float
    slow: float
    traced: float | None = None


class Told(msgspec.Struct, omit_defaults=True):
    """A Record and why it is kept (empty: for its trace alone). Session and blocks are hashes; see `keeper`."""

    record: Record
    kept: str = ""
    sampled: bool = False
    fraction: float = 0.0
    operation: str = ""
    prompt_bytes: int = 0
    max_tokens: int | None = None
    session: int = 0
    blocks: bytes = b""


class Kept(msgspec.Struct, tag="kept"):
    """Worker to hub: requests that ended. `dropped`: so many were to be told and were not, since the last one."""

    told: list[Told]
    dropped: int = 0


class Hello(msgspec.Struct, tag="hello"):
    """Worker to hub: it is there."""


class Applied(msgspec.Struct, tag="applied"):
    """Worker to hub: the table is in use, and what is wrong with endpoints that were left out."""

    version: int
    problems: list[str]


class Said(msgspec.Struct, tag="said", omit_defaults=True):
    """Worker to hub: the answer to a Want. `next` is the `since` of the next one."""

    number: int
    stats: Stats | None = None
    counts: Counts | None = None
    records: list[Record] = []
    next: int = 0
    lost: int = 0


class Scrape(msgspec.Struct, tag="scrape"):
    """Worker to hub: a caller wants the metrics of all workers; `names`: under those of others, too."""

    number: int
    names: str = ""


Frame = (
    Use
    | Heard
    | Sent
    | Ejected
    | Lease
    | Lent
    | Short
    | Want
    | Metrics
    | Hello
    | Applied
    | Said
    | Scrape
    | Join
    | Leave
    | Took
    | Freed
    | Turn
    | Full
    | Queueing
    | Look
    | Looked
    | Shelve
    | Keep
    | Kept
    | Lined
)

_DECODER: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


class Channel(channel.Channel[Frame]):
    """One end of it."""

    def __init__(self, heard: Callable[[Frame], None], gone: Callable[[], None]) -> None:
        super().__init__(_DECODER, heard, gone)
