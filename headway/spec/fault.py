"""What is wrong with one value, in the words the user will read: what was found, and the accepted form.

A Fault knows nothing of files and lines: `load` adds them. It is a ValueError, so that pydantic collects it from a
validator like any other; a validator that looks at a whole mapping raises Faults, each with its own path below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

__all__ = ["Fault", "Faults", "describe", "nearest"]

SHOWN = 60
"""Characters of a value that an error repeats; a whole file pasted into a field is not read on one line."""


class Fault(ValueError):
    def __init__(self, message: str, hint: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message}; {hint}")
        self.message, self.hint, self.path = message, hint, path


class Faults(ValueError):
    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(each) for each in self.faults))


def describe(value: object) -> str:
    """The value as the user wrote it, short enough for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)[:SHOWN]
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")
    return "a mapping" if isinstance(value, dict) else "a list"


def nearest(found: str, known: Collection[str]) -> str:
    """The known word that was probably meant, or nothing: `Replica` and `replcas` mean `replicas`."""
    folded = {each.casefold(): each for each in known}
    matches = get_close_matches(found.casefold().replace("_", "-"), folded, n=1, cutoff=0.7)
    return folded[matches[0]] if matches else ""
