"""The gateway's settings in a file of their own (`--settings`): YAML, names of `settings.Tunable` and their values.

Beside a table that the control process writes there is nowhere else to say them. It is followed as the table is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from headway.errors import SpecError
from headway.gateway.settings import Tunable
from headway.spec.check import as_one
from headway.spec.fault import describe, nearest
from headway.spec.tree import Entry, Node, TreeFault, parse

__all__ = ["read_settings"]

_FORM = "write names and values, like connect_seconds: 1"


def read_settings(path: Path) -> Tunable:
    """An empty file leaves all at their defaults. Raises SpecError with every fault, each with its line."""
    try:
        tree = parse(path.read_text(encoding="utf-8"))
    except TreeFault as fault:
        raise _of_text(fault, path) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SpecError(f"cannot be read: {reason}", hint=f"give a file, and in it {_FORM}", file=str(path)) from None
    faults = [_of_text(each, path) for each in tree.faults]
    root = tree.documents[0] if tree.documents else None
    if root is not None and (len(tree.documents) > 1 or not isinstance(root.value, dict)):
        found = "several documents" if len(tree.documents) > 1 else describe(root.value)
        faults.append(SpecError(f"found {found}", hint=_FORM, file=str(path), line=root.line, column=root.column))
    elif root is not None:
        faults += _faults(root.value, path)
    if faults:
        raise as_one(faults)
    return msgspec.convert(root.plain(), Tunable) if root is not None else Tunable()


def _faults(entries: dict[str, Entry], path: Path) -> Iterator[SpecError]:
    for name, entry in entries.items():
        if name not in Tunable.__struct_fields__:
            meant = nearest(name, Tunable.__struct_fields__)
            hint = f"did you mean {meant}?" if meant else "docs/faults.md has the names"
            yield _fault("unknown setting", hint, name, entry.key, path)
            continue
        value = entry.value.plain()
        try:
            msgspec.convert({name: value}, Tunable)
        except msgspec.ValidationError as error:
            hint = str(error).partition(" - at ")[0].replace("`", "").lower()
            yield _fault(f"found {describe(value)}", hint, name, entry.value, path)


def _fault(message: str, hint: str, name: str, at: Node, path: Path) -> SpecError:
    return SpecError(message, hint=hint, file=str(path), line=at.line, column=at.column, field=name)


def _of_text(fault: TreeFault, path: Path) -> SpecError:
    return SpecError(fault.message, hint=fault.hint, file=str(path), line=fault.line, column=fault.column)
