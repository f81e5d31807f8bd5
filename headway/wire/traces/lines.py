"""A file of lines, one at a time, .gz or not; and what is said of a line that cannot be read."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from headway.errors import SpecError

__all__ = ["GZIP", "Lines", "fault", "head", "whole"]

GZIP = b"\x1f\x8b"
LONGEST_LINE = 64 << 20
"""Bytes. No request is as long; a file without line ends would else be read whole."""


def fault(path: Path, line: int, message: str, hint: str) -> SpecError:
    return SpecError(message, hint=hint, file=str(path), line=line)


def head(path: Path, size: int) -> bytes:
    """The first bytes, unpacked. Raises SpecError."""
    try:
        with _opened(path) as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, 0, error) from error


def whole(path: Path) -> bytes:
    """All of it, unpacked, where it is one JSON value. Raises SpecError."""
    try:
        with _opened(path) as file:
            return file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, 0, error) from error


class Lines:
    """Iterates over the text of the lines, without their ends. `number` is the line that came last, from 1."""

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0

    def __iter__(self) -> Iterator[str]:
        self.number = 0
        try:
            with _opened(self.path) as file:
                while line := file.readline(LONGEST_LINE):
                    self.number += 1
                    if len(line) == LONGEST_LINE:
                        raise self.fault(f"longer than {LONGEST_LINE >> 20} MiB", "give a file with one request a line")
                    yield line.decode("utf-8-sig" if self.number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self.fault(
                f"not UTF-8 text (byte {error.start} of the line)", "give a text file, or its .gz"
            ) from error
        except (OSError, EOFError, zlib.error) as error:
            raise _unreadable(self.path, self.number + 1, error) from error

    def fault(self, message: str, hint: str) -> SpecError:
        """Of the line that came last."""
        return fault(self.path, self.number, message, hint)


def _opened(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def _unreadable(path: Path, line: int, error: Exception) -> SpecError:
    if isinstance(error, OSError) and error.strerror:
        return fault(path, 0, f"cannot be read: {error.strerror}", "check the path")
    return fault(path, line, f"its compressed data is broken ({error})", "fetch the file again")
