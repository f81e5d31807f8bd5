"""What is done when a Replica's engine has ended: start it again, when, and what the user is told. Pure.

- Ended by a signal from outside (somebody's kill, the kernel short of memory): again at once, and the next waits are no
  longer for it. Ended before it was ever ready it may be the kernel each time, so that has a budget.
- Ended by itself: waits grow by a factor up to a cap, and start over after a healthy period.
- Several such ends in a row are a crash loop: named with the engine's most telling line, tried again at the cap.
- Lost the race for its port: again at once with another port, within a budget.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from headway.policy.decision import Action, Decision, Reason

__all__ = [
    "Cause",
    "Death",
    "History",
    "RestartSettings",
    "Verdict",
    "after",
    "delay_of",
    "is_port_taken",
    "telling_lines",
]


@dataclass(frozen=True, slots=True)
class RestartSettings:
    """Times are seconds."""

    first_delay: float = 0.5
    """The wait after the first failure: long enough not to spin, short enough not to be noticed."""

    factor: float = 2.0
    """Each further failure in a row waits this much longer."""

    cap: float = 30.0
    """No wait is longer: whoever mends the cause should not have to ask for a restart."""

    healthy_after: float = 60.0
    """A Replica that was ready this long has its earlier failures forgotten."""

    crash_loop_after: int = 3
    """Failures in a row that make a crash loop: one may be chance, two bad luck."""

    killed_starts: int = 3
    """Kills from outside before it was ready, in a row, that are forgiven; more look like want of memory."""

    port_races: int = 5
    """Lost races for a free port, in a row, that are retried at once."""


class Cause(StrEnum):
    EXITED = "exited"
    START_TIMEOUT = "start-timeout"  # we ended it: it was not ready in time
    NOT_ANSWERING = "not-answering"  # we ended it: it was ready and fell silent
    PREPARE_FAILED = "prepare-failed"  # it never got as far as a process
    IMPOSSIBLE = "impossible"  # likewise, and trying again soon cannot help


@dataclass(frozen=True, slots=True)
class Death:
    """How one incarnation ended. `status` as waitpid tells it: negative for a signal, None when nobody can know
    (an adopted process is not our child)."""

    cause: Cause
    detail: str = ""
    ready_seconds: float | None = None  # None = was never ready
    status: int | None = None
    port_taken: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What counts of the earlier ends: each number is "in a row"."""

    failures: int = 0
    killed_starts: int = 0
    port_races: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    history: History
    decision: Decision

    @property
    def delay(self) -> float:
        return self.decision.look_again or 0.0


OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that come from somebody; SIGSEGV, SIGABRT, SIGILL and the like are the engine's own faults."""

_TELLING = re.compile(
    r"error|exception|\b(failed|failure|fatal|invalid|cannot|couldn't|could not|unable|abort\w*|no such)\b",
    re.IGNORECASE,
)
_PORT_TAKEN = re.compile(r"address already in use|EADDRINUSE|couldn't bind HTTP server socket", re.IGNORECASE)
_STAMP = re.compile(r"^[\d.:]+ +[A-Z] +")
"""What llama.cpp writes before each line: time since start and level."""


def after(replica: str, history: History, death: Death, lines: Sequence[str], settings: RestartSettings) -> Verdict:
    """`lines` are the last ones that the engine wrote in this incarnation."""
    if death.ready_seconds is not None:
        healthy = death.ready_seconds >= settings.healthy_after
        history = replace(history, killed_starts=0, port_races=0, failures=0 if healthy else history.failures)
    if death.port_taken and history.port_races < settings.port_races:
        history = replace(history, port_races=history.port_races + 1)
        decision = Decision(
            replica,
            Action.RESTART,
            Reason.ENGINE_EXITED,
            "its port was taken; trying another",
            {"port_races": history.port_races},
            look_again=0.0,
        )
        return Verdict(history, decision)
    if _from_outside(death) and (history.killed_starts < settings.killed_starts):
        if death.ready_seconds is None:
            history = replace(history, killed_starts=history.killed_starts + 1)
        numbers = {"failures": history.failures, "killed_starts": history.killed_starts}
        reason = Reason.KILLED_FROM_OUTSIDE
        return Verdict(history, Decision(replica, Action.RESTART, reason, _how(death), numbers, look_again=0.0))
    return _failed(replica, replace(history, failures=history.failures + 1), death, lines, settings)


def _failed(replica: str, history: History, death: Death, lines: Sequence[str], settings: RestartSettings) -> Verdict:
    looping = history.failures >= settings.crash_loop_after
    hopeless = death.cause is Cause.IMPOSSIBLE
    delay = settings.cap if hopeless else delay_of(history.failures, settings)
    told = [death.detail or _how(death), *telling_lines(lines)[:1]]
    message = ": ".join(told)
    reason = _REASONS[death.cause]
    if looping and death.cause not in (Cause.PREPARE_FAILED, Cause.IMPOSSIBLE):
        reason = Reason.CRASH_LOOP
        message = f"ended {history.failures} times in a row; {message}"
    numbers: dict[str, float | int | str] = {"failures": history.failures, "delay_seconds": delay}
    if death.status is not None:
        numbers["status"] = death.status
    return Verdict(history, Decision(replica, Action.RESTART, reason, message, numbers, delay))


_REASONS = {
    Cause.EXITED: Reason.ENGINE_EXITED,
    Cause.START_TIMEOUT: Reason.START_TIMEOUT,
    Cause.NOT_ANSWERING: Reason.NOT_ANSWERING,
    Cause.PREPARE_FAILED: Reason.PREPARE_FAILED,
    Cause.IMPOSSIBLE: Reason.PREPARE_FAILED,
}


def delay_of(failures: int, settings: RestartSettings) -> float:
    """Seconds to wait after so many failures in a row; a crash loop waits at the cap."""
    if failures >= settings.crash_loop_after:
        return settings.cap
    return min(settings.cap, settings.first_delay * settings.factor ** max(0, failures - 1))


def telling_lines(lines: Sequence[str]) -> list[str]:
    """The same lines, those that name a fault first.

    A C program names the cause first and its consequences after; a Python traceback ends with the cause.
    """
    written = [_STAMP.sub("", line.strip()) for line in lines if line.strip()]
    named = [line for line in written if _TELLING.search(line)]
    if any(line.startswith("Traceback (most recent call last)") for line in written):
        named.reverse()
    return named + [line for line in reversed(written) if line not in named]


def is_port_taken(lines: Sequence[str]) -> bool:
    """Whether an engine says at its end that somebody else has its port."""
    return any(_PORT_TAKEN.search(line) for line in lines)


def _from_outside(death: Death) -> bool:
    if death.cause is not Cause.EXITED:
        return False
    if death.status is None or death.status == 0:
        # A server that ends with 0 caught a SIGTERM that we did not send; of an adopted one nobody knows.
        return death.ready_seconds is not None
    return _signal_of(death.status) in OUTSIDE


def _signal_of(status: int) -> int:
    """A shell or a Python parent reports its child's signal as 128 + number."""
    return -status if status < 0 else status - 128


def _how(death: Death) -> str:
    if death.cause is Cause.EXITED and death.status is None:
        return "ended (exit status unknown: it was adopted)"
    if death.status is None:
        return str(death.cause)
    number = _signal_of(death.status)
    if number in OUTSIDE:
        hint = " (somebody, or the kernel short of memory)" if number == signal.SIGKILL else ""
        return f"killed by {signal.Signals(number).name} from outside{hint}"
    if death.status < 0:
        return f"died of {_signal_name(number)}"
    return f"exited with status {death.status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
