"""The constants of the local Site, each with its unit and its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from headway.policy.restart import RestartSettings

__all__ = ["LocalSettings"]


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Times are seconds, sizes bytes."""

    ready_probe_first: float = 0.02
    """Between readiness probes at first: a small model is ready in 0.4 s, and the user waits for it."""

    ready_probe_slowest: float = 0.5
    """Between readiness probes of an engine that takes minutes: a probe costs it little, but not nothing."""

    live_probe_every: float = 2.0
    """Between liveness probes and reads of Signals: what a person watching a page takes for live."""

    live_probe_timeout: float = 5.0
    """One probe's deadline: an engine whose cores are all busy answers late, not never."""

    live_probes_silent: int = 3
    """Probes in a row without any answer after which a ready engine is taken for hung, killed and started again."""

    sick_seconds: float = 120.0
    """A ready engine that answers its health path with an error is left alone this long, and longer while it still
    generates tokens: it may be busy or reloading, and ending it ends its requests."""

    adopt_probe_timeout: float = 2.0
    """How long `open` waits for an adopted engine's first answer before it reports it as starting."""

    kill_deadline: float = 10.0
    """After SIGKILL: a process that is still there then hangs in the kernel (a driver, a dead disk), which is told."""

    prepare_cancel_deadline: float = 5.0
    """How long a cancelled preparation may go on before it is left behind in its thread."""

    log_limit: int = 16 << 20
    """A log larger than this is moved to `.1`, so that an engine that talks cannot fill the disk."""

    decisions_kept: int = 1000
    """Decisions held for a caller that does not fetch them."""

    restart: RestartSettings = field(default_factory=RestartSettings)
