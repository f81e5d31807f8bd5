"""A file, followed level-triggered: whatever is in it at a look is what is used, however it came there.

One that is missing or wrong is logged once and what is in use stays. As long as something could not be used (a secret
that is missing) each look tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from headway.errors import SpecError

__all__ = ["FileWatch"]

log = logging.getLogger("headway.gateway")

Read = TypeVar("Read")


class FileWatch(Generic[Read]):
    """What cannot be read is told as: not `what`. `again` = it could not be used in full the last time."""

    def __init__(self, path: Path, read: Callable[[Path], Read], use: Callable[[Read], None], what: str) -> None:
        self.again = False
        self._path, self._read, self._use, self._what = path, read, use, what
        self._seen: tuple[int, int, int] | None = None
        self._said = ""

    def look(self, force: bool = False) -> None:
        """Read the file if it changed, or in any case with `force`."""
        try:
            found = self._path.stat()
            signature = (found.st_mtime_ns, found.st_ino, found.st_size)
            if signature == self._seen and not self.again and not force:
                return
            read = self._read(self._path)
        except FileNotFoundError:
            self._say(f"{self._path}: not there yet")
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, SpecError) as error:
            self._say(f"{self._path}: not {self._what}, what is in use stays: {error}")
        else:
            self._seen, self._said = signature, ""
            self._use(read)

    def _say(self, text: str) -> None:
        if text != self._said:
            log.warning("%s", text)
        self._said = text
