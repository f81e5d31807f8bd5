"""Objects as the YAML that people read and `kubectl apply` takes: what was derived says why, in a comment beside it.

A text that a reader of YAML 1.1 (kubectl is one) would take for something else is written in quotes: `"on"`, `"1e3"`.
ruamel.yaml writes YAML 1.2, in which `on` needs none; that is why the few forms that JSON has are written here.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["text_of"]

WIDTH = 118
_PLAIN = re.compile(r"(?:--?[A-Za-z]|[A-Za-z_/])[A-Za-z0-9_./@+,=-]*(:[A-Za-z0-9_./@+,=-]+)*|\d{1,9}([KMGT]iB?|m)")
_OTHERWISE = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"})
"""Booleans and nothing, to one reader or another, in any case."""
_UNSAFE = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What no YAML text may hold as it is, and what ends a line to some readers only."""


def text_of(objects: Iterable[Derived], head: Sequence[str] = ()) -> str:
    """A YAML document for each object. `head`: lines of comment above all."""
    documents = ["\n".join((*_note(each.note, ""), *_body(each), "")) for each in objects]
    above = "".join(f"# {line}".rstrip() + "\n" for line in head)
    return above + ("---\n" if above and documents else "") + "---\n".join(documents)


def _body(derived: Derived) -> Iterator[str]:
    return _mapping(derived.manifest, "", "", derived.why)


def _mapping(value: Mapping[str, Any], indent: str, at: str, why: Mapping[str, str]) -> Iterator[str]:
    for key, item in value.items():
        pointer = f"{at}/{_escaped(key)}"
        yield from _note(why.get(pointer, ""), indent)
        yield from _entry(f"{indent}{_scalar(key)}:", item, indent, pointer, why)


def _sequence(value: Sequence[Any], indent: str, at: str, why: Mapping[str, str]) -> Iterator[str]:
    for number, item in enumerate(value):
        pointer = f"{at}/{number}"
        yield from _note(why.get(pointer, ""), indent)
        if isinstance(item, Mapping) and item:
            lines = list(_mapping(item, indent + "  ", pointer, why))
            first = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
            yield from (indent + line.lstrip() for line in lines[:first])  # the first field's reason: above the dash
            yield f"{indent}- {lines[first].lstrip()}"
            yield from lines[first + 1 :]
        else:
            yield from _entry(f"{indent}-", item, indent, pointer, why)


def _entry(start: str, item: Any, indent: str, at: str, why: Mapping[str, str]) -> Iterator[str]:
    """`start` is the key with its colon, or the dash."""
    if isinstance(item, Mapping) and item:
        yield start
        yield from _mapping(item, indent + "  ", at, why)
    elif isinstance(item, list | tuple) and item:
        yield start
        yield from _sequence(item, indent + "  " if start.endswith("-") else indent, at, why)
    elif isinstance(item, str) and _is_block(item):
        yield f"{start} {'|' if item.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}  {line}" if line else "" for line in item.removesuffix("\n").split("\n"))
    else:
        yield f"{start} {_scalar(item)}"


def _scalar(item: Any) -> str:
    if isinstance(item, str) and _PLAIN.fullmatch(item) and item.casefold() not in _OTHERWISE:
        return item
    if isinstance(item, Mapping):
        return "{}"
    if isinstance(item, list | tuple):
        return "[]"
    text = json.dumps(item, ensure_ascii=False)  # JSON is YAML: text in double quotes, numbers, true, false and null
    if isinstance(item, float) and "." not in text:
        return text.replace("e", ".0e")  # YAML 1.1 knows no 1e-05
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _is_block(text: str) -> bool:
    """Whether it reads as it stands, line by line."""
    return (
        "\n" in text.rstrip("\n")
        and not text.endswith("\n\n")
        and not text.startswith((" ", "\n"))
        and not _UNSAFE.search(text)
        and all(line == line.rstrip() for line in text.split("\n"))
    )


def _note(text: str, indent: str) -> Iterator[str]:
    """Lines that begin with a space stand as they are: they are somebody's YAML."""
    for line in _UNSAFE.sub(" ", text).split("\n") if text else ():
        if line.startswith(" "):
            yield f"{indent}# {line}"
            continue
        yield from (
            f"{indent}# {part}"
            for part in textwrap.wrap(line, max(40, WIDTH - len(indent) - 2), break_on_hyphens=False)
        )


def _escaped(key: str) -> str:
    """As RFC 6901 writes it in a pointer."""
    return key.replace("~", "~0").replace("/", "~1")
