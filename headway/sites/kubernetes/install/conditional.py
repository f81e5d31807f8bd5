"""Objects of several installs laid over each other: where they differ, the choice that makes the difference.

A Helm chart has one template for all choices. Instead of writing it beside the code that makes the objects, the objects
are made with every choice on and off, and what differs becomes a condition: one source, so that the two cannot part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

__all__ = ["Choice", "laid_over"]


@dataclass(frozen=True, slots=True)
class Choice:
    """`on` and `off` are entries of a mapping (dict), of a list (list), or values. `test`: a Helm expression."""

    test: str
    on: Any
    off: Any


def laid_over(tests: Sequence[str], made: Callable[[frozenset[str]], Any]) -> Any:
    """`made(those that hold)` for every combination of tests, as one tree of dicts, lists, values and Choices."""
    return _tree(list(tests), frozenset(), made)


def _tree(tests: list[str], holding: frozenset[str], made: Callable[[frozenset[str]], Any]) -> Any:
    if not tests:
        return made(holding)
    first, *rest = tests
    return _merged(first, _tree(rest, holding | {first}, made), _tree(rest, holding, made))


def _merged(test: str, on: Any, off: Any) -> Any:
    """None where the two have nothing in common: whoever holds them then makes a Choice of entries."""
    if on == off:
        return on
    if isinstance(on, Mapping) and isinstance(off, Mapping):
        return _mapping(test, on, off)
    if isinstance(on, list) and isinstance(off, list):
        return _list(test, on, off)
    if isinstance(on, str | int) and isinstance(off, str | int):
        return Choice(test, on, off)
    return None


def _mapping(test: str, on: Mapping[str, Any], off: Mapping[str, Any]) -> dict[str, Any]:
    made = {}
    for key in [*on, *(key for key in off if key not in on)]:
        both = _merged(test, on[key], off[key]) if key in on and key in off else None
        left, right = ({key: side[key]} if key in side else {} for side in (on, off))
        made[key] = Choice(test, left, right) if both is None else both
    return made


def _list(test: str, on: list[Any], off: list[Any]) -> list[Any]:
    made: list[Any] = []
    ours, theirs = [repr(each) for each in on], [repr(each) for each in off]
    for _, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        pairs = list(zip(on[a:b], off[c:d], strict=False)) if b - a == d - c else []
        both = [_merged(test, left, right) for left, right in pairs]
        made += both if both and None not in both else [Choice(test, on[a:b], off[c:d])]
    return made
