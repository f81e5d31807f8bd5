"""How the control process behaves; each value with its unit, default and reason."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

from headway.paths import StateDir

__all__ = ["ControlSettings", "Program"]

Program = Literal["headway.gateway", "headway.gateway.picker"]


@dataclass(frozen=True, slots=True)
class ControlSettings:
    state: StateDir
    host: str = "127.0.0.1"
    """Address of gateway and page. Other machines are kept out unless there is a Tenant, whose keys let them in."""
    port: int = 8484
    """TCP port of the gateway."""
    page_port: int = 8485
    """TCP port of the page."""
    gateway_workers: int = 1
    """Processes of the gateway: one answers thousands of requests a second."""
    gateway_options: tuple[str, ...] = ()
    """What else `headway gateway` is started with: --sample, --otlp, --trace-sample, --settings."""
    gateway_program: Program = "headway.gateway"
    """Which hub is started: the gateway's, or that of a picker beside somebody else's gateway."""
    gateway_says_here: bool = False
    """Whether it logs where this process does, as a container's log wants it, and not into the state directory."""
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

    @property
    def address_for_apps(self) -> str:
        """By which a program on this machine reaches the gateway."""
        anywhere = self.host in ("0.0.0.0", "::", "")  # noqa: S104
        host = "127.0.0.1" if anywhere else self.host
        return f"[{host}]" if ":" in host else host

    @property
    def is_open_to_others(self) -> bool:
        """Whether other machines could reach the gateway. A name is looked at as it stands, not looked up."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"
