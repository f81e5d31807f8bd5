"""The user's `args` as command-line flags: `max-model-len: 16384` becomes `--max-model-len 16384`, unread.

true is a bare flag, false takes a flag of ours away, a list repeats the flag, null is left out. Headway owns
a few flags (the address, the model, the name); naming one is an error: the Site could not find its Replica.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headway.errors import SpecError

__all__ = ["merge", "refuse_owned", "to_flags"]


def merge(ours: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, Any]:
    """Our flags with the user's laid over them; `ctx_size` and `ctx-size` are one flag."""
    return dict(ours) | {_flag(key): value for key, value in args.items()}


def to_flags(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(word for key, value in settings.items() for word in _words(f"--{_flag(key)}", value))


def refuse_owned(args: Mapping[str, Any], owned: Iterable[str]) -> None:
    """Raises SpecError for the first flag that is Headway's own to set."""
    taken = frozenset(owned)
    for key in args:
        if _flag(key) in taken:
            raise SpecError(f"Headway sets --{_flag(key)} itself", hint=f"remove {key!r}", field=f"args.{key}")


def _flag(key: str) -> str:
    return key.lstrip("-").replace("_", "-")


def _words(flag: str, value: Any) -> Iterator[str]:
    if value is None or value is False:
        return
    if value is True:
        yield flag
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(flag, item)
    else:
        yield flag
        yield str(value)
