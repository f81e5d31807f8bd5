"""What is wrong with one value, in the words the user will read: what was found, and the accepted form.

A Fault knows nothing of files and lines: `load` adds them. It is a ValueError, so that pydantic collects it from a
validator like any other; a validator that looks at a whole mapping raises Faults, each with its own path below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

__all__ = ["Fault", "Faults", "describe", "nearest", "written"]

SHOWN = 60
"""Characters of a value that an error repeats; a whole file pasted into a field is not read on one line."""


class Fault(ValueError):
    """`path` leads to the value from where the fault was seen; `of_key`: its key is wrong, whatever the value."""

    def __init__(self, message: str, hint: str, path: tuple[str, ...] = (), *, of_key: bool = False) -> None:
        super().__init__(f"{message}; {hint}")
        self.message, self.hint, self.path, self.of_key = message, hint, path, of_key

    def below(self, path: tuple[str, ...]) -> Fault:
        return Fault(self.message, self.hint, path + self.path, of_key=self.of_key)


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


def written(value: object) -> str:
    """An example as it would stand in a file, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return describe(value) if isinstance(value, bool) else str(value)


def nearest(found: str, known: Collection[str], *, likeness: float = 0.6) -> str:
    """The known word that was probably meant, or nothing: `Replica` and `replcas` mean `replicas`."""
    folded = {each.casefold(): each for each in known}
    matches = get_close_matches(found.casefold(), folded, n=1, cutoff=likeness)
    return folded[matches[0]] if matches else ""
