"""What the process that a run was started in and those that send say to each other, over wire.channel."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from headway.bench.facts import Generator

__all__ = ["FROM_WORKER", "TO_WORKER", "Ask", "Broke", "Done", "Halt", "Job", "Ready", "Start", "Tell", "Told"]


class Job(msgspec.Struct, tag="job"):
    """To a worker, once: number `number` of `of`. `workload` is the Workload as JSON; `host` the number that its name
    was looked up to; `sockets` this worker's share."""

    number: int
    of: int
    workload: bytes
    trace: str | None
    seed: int | None
    url: str
    host: str
    keys: dict[str, str]
    headers: list[tuple[str, str]]
    ca: str | None
    verify: bool
    dialect: Literal["engine", "openai"]
    plain_adapters: list[str]
    timeout: float
    sockets: int
    salt: int
    keep_text: int


class Start(msgspec.Struct, tag="start"):
    """To a worker: second 0, of the monotonic clock, and how long answers may take after the last stage."""

    at: float
    drain: float


class Halt(msgspec.Struct, tag="halt"):
    """To a worker: send no more; what has not ended after `drain` seconds ends with this error."""

    drain: float
    error: str
    said: str


class Ready(msgspec.Struct, tag="ready"):
    """From a worker: its schedule begins well; it waits for the start."""


class Told(msgspec.Struct, tag="told"):
    """From a worker, five times a second: Records since the last one, encoded when they ended, and counts from the
    start on. `last_sent`: seconds after the start."""

    records: list[msgspec.Raw]
    due: int
    sent: int
    ended: int
    failed: int
    running: int
    last_sent: float


class Done(msgspec.Struct, tag="done"):
    """From a worker: all is over. `ended`: when, in seconds after the start."""

    generator: Generator
    drained: bool
    ended: float


class Broke(msgspec.Struct, tag="broke"):
    """From a worker: it cannot go on; `error` as HeadwayError.to_wire has it."""

    error: dict[str, Any]


Tell = Ready | Told | Done | Broke
Ask = Job | Start | Halt

FROM_WORKER: msgspec.msgpack.Decoder[Tell] = msgspec.msgpack.Decoder(Tell)
TO_WORKER: msgspec.msgpack.Decoder[Ask] = msgspec.msgpack.Decoder(Ask)
