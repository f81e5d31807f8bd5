"""How long a spell should have taken by an engine's constants."""

from __future__ import annotations

from math import ceil, floor

from headway.perf.constants import Engine
from headway.perf.cores import crowded
from headway.perf.live.seen import Seen
from headway.perf.live.spells import Prompt, Spell
from headway.perf.step.shape import StepTime

__all__ = ["alone", "timed"]


def timed(spell: Spell, step: StepTime, engine: Engine, budget: int, part: float = 0.0) -> float:
    """Seconds. `budget`: tokens of one step, all sequences together; `part`: of the machine's cores, what a replica's
    threads are."""
    inside = spell.steps * _between(step, spell.decodes, spell.context) if spell.steps else 0.0
    for each in spell.prompts:
        inside += each.share * _prompt(each, spell, step, budget)
    inside *= crowded(spell.crowd, engine.shared, part)
    return inside + engine.request if spell.waits else inside


def alone(seen: Seen, step: StepTime) -> float:
    """Of a prompt's own step, with nobody beside it."""
    return step.seconds(seen.new, seen.attended, 1, 0, 0.0)


def _prompt(prompt: Prompt, spell: Spell, step: StepTime, budget: int) -> float:
    pieces = max(1, ceil(prompt.new / max(1, budget)))
    new, attended = max(1, round(prompt.new / pieces)), prompt.attended / pieces
    decodes = round(spell.decodes)
    context = spell.context * decodes / spell.decodes if spell.decodes else 0.0
    return pieces * step.seconds(new, attended, prompt.finishing, decodes, context)


def _between(step: StepTime, decodes: float, context: float) -> float:
    """Of a decode step with a mean number of sequences that is not whole."""
    low = max(1, floor(decodes))
    share = max(0.0, decodes - low)
    each = context / max(decodes, 1.0)
    first = step.seconds(0, 0.0, 0, low, each * low)
    return first + share * (step.seconds(0, 0.0, 0, low + 1, each * (low + 1)) - first) if share else first
