"""Every limit and deadline of the gateway, with its unit, default and reason. Seconds and bytes
throughout."""

from __future__ import annotations

import resource
from dataclasses import dataclass

__all__ = ["Settings", "connection_limit"]

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    # callers
    head_seconds: float = 10.0
    """From the first byte of a head (or the connect) to its end. A head is one packet; longer is a slow
    loris."""
    body_idle_seconds: float = 30.0
    """Without a byte of a body that is due. Long enough for a stalled mobile link."""
    keepalive_seconds: float = 75.0
    """An idle connection is kept this long: longer than the 60 s of common load balancers, so that they close
    first."""
    linger_seconds: float = 2.0
    """After an early refusal the rest of the body is read and dropped this long, so that the caller sees the
    answer."""
    stall_seconds: float = 120.0
    """A caller that takes nothing of its answer for this long is cut off."""
    target_bytes: int = 8 * KIB
    """Longest request target (414)."""
    head_bytes: int = 32 * KIB
    """Longest head (431). Cookies and traces of a browser fit."""
    headers_max: int = 128
    """Most header lines (431)."""
    body_bytes: int = 32 * MIB
    """Longest body (413): about 8 million tokens of text, or some pictures as base64."""
    bodies_bytes: int = 256 * MIB
    """All bodies held at once; beyond it 503. This bounds the memory of the process."""
    backlog_bytes: int = 64 * KIB
    """Read ahead of a caller that pipelines while its request runs; beyond it reading is paused."""
    pipelined_max: int = 32
    """Requests taken from one read."""
    connections_max: int = 8192
    """Open connections of callers; lowered to what RLIMIT_NOFILE allows."""

    # engines
    connect_seconds: float = 5.0
    """To open a connection. Engines are near; a provider's TLS handshake takes well under a second."""
    pool_idle_seconds: float = 60.0
    """An idle connection to an engine is kept this long."""
    pool_idle_max: int = 64
    """Idle connections kept for one endpoint: about the batch of one engine."""
    cooldown_seconds: float = 0.2
    """A failed endpoint is avoided this long, doubled by each further failure in a row."""
    cooldown_max_seconds: float = 2.0
    """Longest avoidance: a restarted engine should not stand idle longer."""
    tries_max: int = 16
    """Times one request may reach an engine and be lost with it. Bounds the harm of a request that kills
    engines, yet is far above what an engine killed every 2 s costs a request."""

    # routing
    index_blocks: int = 200_000
    """Blocks of prompts remembered for all models: about 25 MiB, and some GB of prompts."""
    sessions_max: int = 50_000
    """Sessions whose last endpoint is remembered: about 10 MiB."""
    news_seconds: float = 0.01
    """Until the other workers hear which prompts went where: a conversation's next turn takes longer."""

    # requests
    deadline_seconds: float = 600.0
    """A whole request (504). The default of the official client; `x-headway-timeout` lowers it."""
    wait_seconds: float = 30.0
    """For an endpoint, while those there are fail: an engine's restart fits (503 after it)."""
    wait_expected_seconds: float = 120.0
    """For an endpoint, when there is none yet and one is expected without a known time: a cold start fits."""
    wait_grace_seconds: float = 30.0
    """Added to the expected time when it is known: estimates err."""
    waiting_max: int = 1024
    """Requests held for one model."""
    waiting_bytes: int = 64 * MIB
    """Bodies held for one model."""
    stream_idle_seconds: float = 120.0
    """Between two pieces of a stream that has begun: an engine that stops in mid-stream is dead."""
    held_bytes: int = 1 * MIB
    """An answer is held whole up to this size, so that it can be had elsewhere if its engine dies; then it is
    relayed."""
    event_bytes: int = 1 * MIB
    """Longest single event of a stream."""

    cached_bytes: int = 1 * MIB
    """Longest answer that a cache keeps: hundreds of thousands of tokens."""

    # the process
    records_max: int = 4096
    """Finished requests remembered: a second of the highest load, an hour of one request a second."""
    slow_seconds: float = 10.0
    """A request is logged as slow when its first byte came later than this: longer than people wait."""
    drain_seconds: float = 30.0
    """For running requests after SIGTERM."""
    table_poll_seconds: float = 1.0
    """Between looks at the table file; SIGHUP looks at once."""
    tick_seconds: float = 0.1
    """Resolution of all deadlines above."""


def connection_limit(settings: Settings) -> int:
    """Callers' connections that fit this process: each may need one more to an engine, and some files stay
    free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * settings.connections_max + 64
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(settings.connections_max, (soft - 64) // 2))
