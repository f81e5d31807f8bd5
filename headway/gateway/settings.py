"""Every limit and deadline of the gateway, with its unit, default and reason. Seconds and bytes throughout.

There is one Settings a process. Those of `Tunable` may stand in the routing table, under `settings`, and change while
requests run; the others are for the life of the process.
"""

from __future__ import annotations

import resource
from typing import Annotated

import msgspec

__all__ = ["Settings", "Tunable", "connection_limit"]

KIB = 1024
MIB = 1024 * 1024

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Pause = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Tunable(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    # callers
    head_seconds: Seconds = 10.0
    """From the first byte of a head (or the connect) to its end. A head is one packet; longer is a slow
    loris."""
    body_idle_seconds: Seconds = 30.0
    """Without a byte of a body that is due. Long enough for a stalled mobile link."""
    body_rate: Count = 64
    """Bytes a second that a body must bring on average, after its first `body_idle_seconds`: one that drips is a slow
    loris too, and an old modem brings ten times as much."""
    keepalive_seconds: Seconds = 75.0
    """An idle connection is kept this long: longer than the 60 s of common load balancers, so that they close
    first."""
    linger_seconds: Pause = 2.0
    """After an early refusal the rest of the body is read and dropped this long, so that the caller sees the
    answer."""
    stall_seconds: Seconds = 120.0
    """A caller that takes nothing of its answer for this long is cut off."""
    target_bytes: Count = 8 * KIB
    """Longest request target (414)."""
    head_bytes: Count = 32 * KIB
    """Longest head (431). Cookies and traces of a browser fit."""
    headers_max: Count = 128
    """Most header lines (431)."""
    body_bytes: Count = 32 * MIB
    """Longest body (413): about 8 million tokens of text, or some pictures as base64."""
    bodies_bytes: Count = 256 * MIB
    """All bodies held at once; beyond it 503. This bounds the memory of the process."""
    backlog_bytes: Count = 64 * KIB
    """Read ahead of a caller that pipelines while its request runs; beyond it reading is paused."""
    pipelined_max: Count = 32
    """Requests taken from one read."""

    # engines
    connect_seconds: Seconds = 5.0
    """To open a connection. Engines are near; a provider's TLS handshake takes well under a second."""
    pool_idle_seconds: Seconds = 60.0
    """An idle connection to an engine is kept this long."""
    pool_idle_max: Count = 64
    """Idle connections kept for one endpoint: about the batch of one engine."""
    cooldown_seconds: Pause = 0.2
    """A failed endpoint is avoided this long, doubled by each further failure in a row."""
    cooldown_max_seconds: Pause = 2.0
    """Longest avoidance: a restarted engine should not stand idle longer."""
    eject_after: Count = 5
    """Failures in a row for which an endpoint is ejected, while it has siblings. Envoy's default."""
    eject_seconds: Seconds = 5.0
    """The first ejection, doubled by each further one. Envoy's is 30 s; an engine that was started again is missed
    sooner."""
    eject_max_seconds: Seconds = 30.0
    """Longest ejection, and for each such time of work one ejection is forgotten."""
    eject_share: Share = 0.5
    """Of a model's endpoints that may be ejected at a time: where more fail, it is not the endpoints that are odd."""
    retry_ratio: Share = 0.2
    """Retries for each request of a model: a fifth, as with Finagle and Envoy."""
    retry_floor: Pause = 10.0
    """Retries a second that a model may have in any case, of each worker."""
    tries_max: Count = 16
    """Times one request may reach an engine and be lost with it. Bounds the harm of a request that kills
    engines, yet is far above what an engine killed every 2 s costs a request."""

    # requests
    deadline_seconds: Seconds = 600.0
    """A whole request (504). The default of the official client; `x-headway-timeout` lowers it."""
    wait_seconds: Seconds = 30.0
    """For an endpoint, while those there are fail: an engine's restart fits (503 after it)."""
    wait_expected_seconds: Seconds = 120.0
    """For an endpoint, when there is none yet and one is expected without a known time: a cold start fits."""
    wait_grace_seconds: Seconds = 30.0
    """Added to the expected time when it is known: estimates err."""
    waiting_max: Count = 1024
    """Requests held for one model."""
    waiting_bytes: Count = 64 * MIB
    """Bodies held for one model."""
    first_byte_seconds: Seconds = 300.0
    """From the sending of a request to the first event of its stream; then it is tried elsewhere. Half of the whole, so
    that an engine that hangs leaves time for another. Answers that do not stream come whole, and only the whole
    deadline bounds them, unless their model has a `first_byte` of its own."""
    stream_idle_seconds: Seconds = 120.0
    """Between two pieces of a stream that has begun: an engine that stops in mid-stream is dead."""
    held_bytes: Count = 1 * MIB
    """An answer is held whole up to this size, so that it can be had elsewhere if its engine dies; then it is
    relayed."""
    event_bytes: Count = 1 * MIB
    """Longest single event of a stream."""
    cached_bytes: Count = 1 * MIB
    """Longest answer that a cache keeps: hundreds of thousands of tokens."""

    # the process
    slow_seconds: Seconds = 10.0
    """A request is logged as slow when its first byte came later than this: longer than people wait."""
    drain_seconds: Seconds = 30.0
    """For running requests after SIGTERM."""
    orphan_seconds: Seconds = 900.0
    """A worker whose hub is gone waits this long for the next hub to take over; then it drains and ends. Any upgrade
    is over by then, and a host where nobody starts the gateway again should not be served by a ghost for ever."""


class Settings(Tunable, kw_only=True):
    connections_max: int = 8192
    """Open connections of callers; lowered to what RLIMIT_NOFILE allows."""
    index_blocks: int = 200_000
    """Blocks of prompts remembered for all models: about 25 MiB, and some GB of prompts."""
    sessions_max: int = 50_000
    """Sessions whose last endpoint is remembered: about 10 MiB."""
    news_seconds: float = 0.01
    """Until the other workers hear which prompts went where: a conversation's next turn takes longer."""
    records_max: int = 4096
    """Finished requests remembered: a second of the highest load, an hour of one request a second."""
    table_poll_seconds: float = 1.0
    """Between looks at the table file; SIGHUP looks at once."""
    tick_seconds: float = 0.1
    """Resolution of all deadlines above."""

    def tune(self, to: Tunable) -> None:
        """All that hold this object go by the new values from here on."""
        for name in Tunable.__struct_fields__:
            setattr(self, name, getattr(to, name))


def connection_limit(settings: Settings) -> int:
    """Callers' connections that fit this process: each may need one more to an engine, and some files stay
    free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * settings.connections_max + 64
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(settings.connections_max, (soft - 64) // 2))
