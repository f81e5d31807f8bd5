"""YAML text as a tree that remembers where each key and value stands, so that every fault can name line and column.

YAML 1.2, core schema: `yes`, `no` and dates are text, not booleans and timestamps. Several documents; anchors, aliases
and merge keys (`<<`) work; JSON is YAML, and loads too. The events of ruamel.yaml's parser are read one by one, and
no further than the bounds below, so neither deep nesting nor aliases of aliases can eat time or memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from headway.spec.fault import Fault
from headway.spec.scalar import resolve

__all__ = ["MOST_CHARACTERS", "MOST_DEPTH", "MOST_VALUES", "Entry", "Node", "Tree", "TreeFault", "parse"]

MOST_CHARACTERS = 256 * 1024
"""A Model takes about 200; reading this many takes about a second, of the worst kind three."""
MOST_DEPTH = 32
MOST_VALUES = 50_000
"""Values of all documents together, aliases counted as often as they are used."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it begins, both from 1. `text` is a scalar as written; `size` counts the values in it."""

    value: Any  # a scalar, list[Node], or dict[str, Entry]
    line: int
    column: int
    text: str = ""
    size: int = 1
    depth: int = 0

    def plain(self) -> Any:
        """The value alone."""
        if isinstance(self.value, dict):
            return {key: entry.value.plain() for key, entry in self.value.items()}
        return [each.plain() for each in self.value] if isinstance(self.value, list) else self.value


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a mapping."""

    key: Node
    value: Node


class TreeFault(Fault):
    """Not YAML (raised: nothing after it can be read), or not as Headway reads it (collected)."""

    def __init__(self, message: str, hint: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message, hint)
        self.line, self.column = line, column


@dataclass(frozen=True, slots=True)
class Tree:
    documents: tuple[Node, ...]  # those that are not empty
    faults: tuple[TreeFault, ...]


def parse(text: str) -> Tree:
    """Raises TreeFault where reading has to stop."""
    if len(text) > MOST_CHARACTERS:
        raise TreeFault(f"found {len(text)} characters", f"a file may have {MOST_CHARACTERS}; split it")
    composer = _Composer()
    try:
        composer.read(YAML(typ="safe", pure=True).parse(text))
    except YAMLError as error:
        raise _syntax_fault(error, text) from None
    return Tree(tuple(composer.documents), tuple(composer.faults))


_Start = MappingStartEvent | SequenceStartEvent


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    start: _Start
    items: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from events."""

    def __init__(self) -> None:
        self.documents: list[Node] = []
        self.faults: list[TreeFault] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._size = 0

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case MappingStartEvent() | SequenceStartEvent():
                    self._open(event)
                case MappingEndEvent() | SequenceEndEvent():
                    self._close(self._stack.pop(), event)
                case ScalarEvent():
                    value = resolve(event.value, plain=not event.style and event.tag is None)
                    self._check_tag(event)
                    self._add(Node(value, *_position(event), event.value), event.anchor)
                case AliasEvent():
                    self._alias(event)
                case DocumentEndEvent():
                    self._anchors = {}

    def _open(self, event: _Start) -> None:
        if len(self._stack) == MOST_DEPTH:
            raise TreeFault(f"nested more than {MOST_DEPTH} deep", "no field needs that", *_position(event))
        self._check_tag(event)
        self._anchors.pop(event.anchor, None)  # an alias inside of it would mean the one before
        self._stack.append(_Open(event))

    def _close(self, opened: _Open, end: Event) -> None:
        size = 1 + sum(each.size for each in opened.items)
        depth = 1 + max((each.depth for each in opened.items), default=0)
        self._check_bounds(size, depth, opened.start)
        value = self._mapping(opened.items) if isinstance(end, MappingEndEvent) else opened.items
        self._add(Node(value, *_position(opened.start), "", size, depth), opened.start.anchor)

    def _check_bounds(self, size: int, depth: int, start: _Start) -> None:
        if self._size + size > MOST_VALUES:
            found = f"more than {MOST_VALUES} values, aliases counted in full"
            raise TreeFault(found, "split the file", *_position(start))
        if depth > MOST_DEPTH:
            raise TreeFault(f"nested more than {MOST_DEPTH} deep", "no field needs that", *_position(start))

    def _alias(self, event: AliasEvent) -> None:
        meant = self._anchors.get(event.anchor)
        if meant is None:
            raise TreeFault(
                f"*{event.anchor} has no &{event.anchor} before it", "write the value itself", *_position(event)
            )
        self._add(Node(meant.value, *_position(event), meant.text, meant.size, meant.depth), None)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if self._stack:
            self._stack[-1].items.append(node)
        elif node.value is not None:
            self._size += node.size
            self.documents.append(node)

    def _mapping(self, items: list[Node]) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key.value, dict | list):
                found = "found a mapping or a list as a key"
                raise TreeFault(found, "is this a template that was not filled in?", key.line, key.column)
            if key.text == "<<":
                for entries in self._to_merge(value):
                    merged = entries | merged
            elif first := own.get(key.text):
                self._fault(key, f"{key.text} stands twice, first in line {first.key.line}", "keep one of them")
            else:
                own[key.text] = Entry(key, value)
        return merged | own

    def _to_merge(self, node: Node) -> list[dict[str, Entry]]:
        parts = node.value if isinstance(node.value, list) else [node]
        for part in parts:
            if not isinstance(part.value, dict):
                self._fault(part, "<< takes a mapping", "write <<: *name, where &name stands before a mapping")
        return [part.value for part in parts if isinstance(part.value, dict)]

    def _check_tag(self, event: _Start | ScalarEvent) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            self.faults.append(TreeFault(f"the tag {event.tag} is not read here", "remove it", *_position(event)))

    def _fault(self, node: Node, message: str, hint: str) -> None:
        self.faults.append(TreeFault(message, hint, node.line, node.column))


def _position(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _syntax_fault(error: YAMLError, text: str) -> TreeFault:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        character = f"U+{ord(text[error.position]):04X}"
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return TreeFault(f"not text: it holds the character {character}", "save the file as plain UTF-8", line, column)
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return TreeFault(f"not YAML: {' '.join(str(error).split())}", "correct it there")
    problem, mark = " ".join(str(error.problem).split()), error.problem_mark
    begin = error.context_mark
    began = f" (it began in line {begin.line + 1})" if begin is not None and begin.line != mark.line else ""
    return TreeFault(f"not YAML: {problem}{began}", _advice(problem), mark.line + 1, mark.column + 1)


def _advice(problem: str) -> str:
    if "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values" in problem:
        return "check the indentation, and put a value that holds ': ' in quotes"
    if "cannot start any token" in problem:
        return "put the value in quotes"
    return "check the indentation, brackets and quotes"
