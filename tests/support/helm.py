"""The part of Helm's template language that `deploy/chart` uses, to render it where there is no helm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["render"]

_PART = re.compile(r"(\n?[ \t]*\{\{-|\{\{) (.*?) \}\}", re.DOTALL)


def render(text: str, values: dict[str, Any], namespace: str) -> str:
    """Of `if`, `else`, `end`, `range`, `not`, `gt (int a) (int b)` and plain values."""
    parts: list[tuple[str, str]] = []
    at = 0
    for match in _PART.finditer(text):
        parts += [("text", text[at : match.start()]), ("do", match[2])]
        at = match.end()
    parts.append(("text", text[at:]))
    root = {"Values": values, "Release": {"Namespace": namespace}}
    return "".join(_run(iter(parts), root, root, on=True)[0])


def _run(parts: Iterator[tuple[str, str]], root: Any, dot: Any, *, on: bool) -> tuple[list[str], str]:
    """The text up to the `else` or `end` that closes this block, and which of them it was."""
    made: list[str] = []
    for kind, said in parts:
        if kind == "text":
            made.append(said)
        elif said in ("else", "end"):
            return (made if on else [], said)
        elif said.startswith("if "):
            yes = bool(_value(said[3:], root, dot)) if on else False
            chosen, closed = _run(parts, root, dot, on=on and yes)
            other = _run(parts, root, dot, on=on and not yes)[0] if closed == "else" else []
            made += chosen + other
        elif said.startswith("range "):
            body = _block(parts)
            for each in _value(said[6:], root, dot) if on else ():
                made += _run(iter(body), root, each, on=True)[0]
        elif on:
            made.append(str(_value(said, root, dot)))
    return (made if on else [], "end")


def _block(parts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    body, depth = [], 0
    for kind, said in parts:
        if kind == "do" and said == "end" and not depth:
            return body
        depth += kind == "do" and said.startswith(("if ", "range "))
        depth -= kind == "do" and said == "end"
        body.append((kind, said))
    raise AssertionError("a block that does not end")


def _value(said: str, root: Any, dot: Any) -> Any:
    said = said.strip()
    if match := re.fullmatch(r"not \((.*)\)", said):
        return not _value(match[1], root, dot)
    if said.startswith("not "):
        return not _value(said[4:], root, dot)
    if match := re.fullmatch(r"gt \(int (\S+)\) (?:\(int (\S+)\)|(\d+))", said):
        return int(_value(match[1], root, dot)) > int(_value(match[2] or match[3], root, dot))
    if said.isdigit():
        return int(said)
    if said == ".":
        return dot
    found = root
    for name in said.lstrip(".").split("."):
        found = found[name]
    return found
