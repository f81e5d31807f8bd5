"""A tree of objects and Choices as the text of a Helm template: in block style, each condition on a line of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headway.sites.kubernetes.install.conditional import Choice

__all__ = ["Each", "template_of"]


@dataclass(frozen=True, slots=True)
class Each:
    """Entries of a list, once for every value of a Helm list; in them the value is `{{ . }}`."""

    over: str
    entries: list[Any]


def template_of(objects: Iterable[Any]) -> str:
    """Documents, each between its conditions."""
    return "".join(f"{line}\n" for each in objects for line in _document(each))


def _document(found: Any) -> Iterator[str]:
    if isinstance(found, Choice):
        yield from _either(found, lambda part: (line for each in part.values() for line in _document(each)), "")
        return
    yield "---"
    yield from _mapping(found, "")


def _either(choice: Choice, lines: Any, indent: str) -> Iterator[str]:
    test, on, off = choice.test, choice.on, choice.off
    if not on:
        test, on, off = f"not ({test})", off, on
    yield f"{indent}{{{{- if {test} }}}}"
    yield from lines(on)
    if off:
        yield f"{indent}{{{{- else }}}}"
        yield from lines(off)
    yield f"{indent}{{{{- end }}}}"


def _mapping(found: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, Choice) and isinstance(value.on, Mapping) and isinstance(value.off, Mapping):
            yield from _either(value, lambda part: _mapping(part, indent), indent)
        else:
            yield from _entry(f"{indent}{_scalar(key)}:", value, indent)


def _entries(found: list[Any], indent: str) -> Iterator[str]:
    for each in found:
        if isinstance(each, Each):
            yield f"{indent}{{{{- range {each.over} }}}}"
            yield from _entries(each.entries, indent)
            yield f"{indent}{{{{- end }}}}"
        elif isinstance(each, Choice) and isinstance(each.on, list) and isinstance(each.off, list):
            yield from _either(each, lambda part: _entries(part, indent), indent)
        elif isinstance(each, Mapping) and each:
            first, *rest = _mapping(each, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield from _entry(f"{indent}-", each, indent)


def _entry(start: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield start
        yield from _mapping(value, f"{indent}  ")
    elif isinstance(value, list) and value:
        yield start
        yield from _entries(value, f"{indent}  ")
    else:
        yield f"{start} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, Choice):
        return f"{{{{ if {value.test} }}}}{_scalar(value.on)}{{{{ else }}}}{_scalar(value.off)}{{{{ end }}}}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """JSON's form, which is YAML's too; a word that can be nothing else stands bare."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
