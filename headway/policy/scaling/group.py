"""Replicas of a Model in several phases (prompts here, answers there): each scaled by itself, zero only all together.

A prefill replica without a decoder serves nobody, nor the other way round; so the last of each phase leaves only when
every phase may, and when one is woken all are (llm-d's autoscaler, issue 1531, shows what happens else).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from headway.policy.decision import Reason
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.scaler import Memory, Scaler, Verdict, verdict

__all__ = ["decide"]


def decide(
    scaler: Scaler, seen: Mapping[str, Observation], memory: Mapping[str, Memory], now: float
) -> dict[str, Verdict]:
    """By phase."""
    found = {phase: scaler.decide(each, memory.get(phase, Memory()), now) for phase, each in seen.items()}
    if not any(each.target for each in found.values()):
        return found
    return {phase: each if each.target else _stays(seen[phase], each) for phase, each in found.items()}


def _stays(seen: Observation, found: Verdict) -> Verdict:
    """At least one, as far as it may have one."""
    least = replace(seen, low=1, high=max(seen.high, 1))
    return verdict(
        least,
        1,
        found.memory,
        reason=Reason.ENOUGH if seen.present else Reason.WOKEN,
        message="the other phase has work, and neither serves alone",
        numbers={},
        look_again=found.decision.look_again or 1.0,
    )
