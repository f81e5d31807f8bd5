"""Whether an App stops because nobody uses it. Pure; the laptop and the cluster run the same one."""

from __future__ import annotations

from headway.policy.decision import Action, Decision, Reason

__all__ = ["decide"]


def decide(app: str, idle: float | None, last_used: float, now: float) -> Decision:
    """`idle`: seconds without use after which it stops, None = never. `look_again` says when that could be."""
    if idle is None:
        return Decision(app, Action.KEEP, Reason.AS_WANTED, "it stays: idle is not written")
    unused = max(0.0, now - last_used)
    numbers = {"unused_seconds": round(unused, 1), "idle_seconds": idle}
    if unused < idle:
        message = f"used {unused:.0f} s ago; it stops after {idle:g} s without use"
        return Decision(app, Action.KEEP, Reason.AS_WANTED, message, numbers, look_again=idle - unused)
    message = f"nobody used it for {unused:.0f} s; headway open {app} starts it again"
    return Decision(app, Action.DRAIN, Reason.IDLE, message, numbers)
