"""How the control process behaves; each value with its unit, default and reason."""

from __future__ import annotations

from dataclasses import dataclass

from headway.paths import StateDir

__all__ = ["ControlSettings"]


@dataclass(frozen=True, slots=True)
class ControlSettings:
    state: StateDir
    host: str = "127.0.0.1"
    """Address of gateway and page. There are no keys in this version, so other machines are kept out by default."""
    port: int = 8484
    """TCP port of the gateway."""
    page_port: int = 8485
    """TCP port of the page."""
    tick: float = 1.0
    """Seconds between two passes when nothing happens: level-triggered loops need a heartbeat, not speed."""
    drain_tick: float = 0.1
    """Seconds between two passes while a Replica is leaving, so that it ends soon after its last request."""
    drain_deadline: float = 30.0
    """Seconds that running requests get to end when their Replica leaves; Kubernetes' default grace period."""
    stop_grace: float = 5.0
    """Seconds between SIGTERM and SIGKILL of an engine that has no requests left."""
    view_interval: float = 0.25
    """Seconds between two snapshots to one watcher at the least: faster than an eye reads."""
    rate_window: float = 3.0
    """Seconds over which tokens/s is taken: long enough to be steady, short enough to follow."""
