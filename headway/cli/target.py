"""What `headway up` was pointed at -> Models, Routes and Tenants: a file, standard input, or one model by its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import SpecError, UsageError

if TYPE_CHECKING:
    from headway.spec.kinds import SpecObject
    from headway.spec.model import Model

__all__ = ["DEFAULT_FILE", "read"]

DEFAULT_FILE = Path("headway.yaml")
STANDARD_INPUT = "standard input"
FILES = (".yaml", ".yml", ".json")
LARGEST_FILE = 10_000_000
"""Bytes. A file of wishes is a page; this is somebody's weights or log, and would take minutes to parse."""


def read(target: str | None) -> tuple[list[SpecObject], str, dict[str, str]]:
    """The objects, where they came from, and by name the line of each as file:line. Raises SpecError or UsageError."""
    if target is None:
        if not DEFAULT_FILE.exists():
            raise UsageError("no file given, and no headway.yaml here", hint="try: headway up smollm2-135m-instruct")
        target = str(DEFAULT_FILE)
    if target == "-":
        objects, places = _load(
            _text(sys.stdin.buffer.read(LARGEST_FILE + 1), STANDARD_INPUT), STANDARD_INPUT, Path.cwd()
        )
        return objects, "-", places
    path = Path(target)
    if path.suffix in FILES or (path.is_file() and path.suffix != ".gguf"):
        objects, places = _load(_text(_bytes(path), target), target, path.absolute().parent)
        return objects, str(path.absolute()), {name: str(Path(place).absolute()) for name, place in places.items()}
    return [_named(target)], target, {}


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", hint="check the path", file=str(path)) from error


def _text(read: bytes, name: str) -> str:
    hint = "give a YAML or JSON file that says what to serve"
    if len(read) > LARGEST_FILE:
        raise SpecError(f"larger than {LARGEST_FILE // 1_000_000} MB", hint=hint, file=name)
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise SpecError(f"not UTF-8 text (byte {error.start})", hint=hint, file=name) from error


def _load(text: str, name: str, base: Path) -> tuple[list[SpecObject], dict[str, str]]:
    from headway.spec.load import load_places  # noqa: PLC0415

    return load_places(text, name, str(base))


def _named(target: str) -> Model:
    from headway.engines.builtin import CATALOGUE  # noqa: PLC0415
    from headway.spec.shorthand import from_name  # noqa: PLC0415

    if target.endswith(".gguf") and "://" not in target:
        target = f"file://{Path(target).absolute()}"
    return from_name(target, known=list(CATALOGUE), base=str(Path.cwd()))
