"""The table file, followed level-triggered: whatever is in it at a look is what is used, however it came
there.

A file that is missing or wrong is logged once and the table in use stays. As long as something could not be
used (a secret that is missing) each look tries again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from headway.gateway.table import RoutingTable, read_table

__all__ = ["TableWatch"]

log = logging.getLogger("headway.gateway")


class TableWatch:
    """`again` = the last table could not be used in full: look at it anew."""

    def __init__(self, path: Path, use: Callable[[RoutingTable], None]) -> None:
        self.again = False
        self._path, self._use = path, use
        self._seen: tuple[int, int, int] | None = None
        self._said = ""

    def look(self, force: bool = False) -> None:
        """Read the file if it changed, or in any case with `force`."""
        try:
            found = self._path.stat()
            signature = (found.st_mtime_ns, found.st_ino, found.st_size)
            if signature == self._seen and not self.again and not force:
                return
            table = read_table(self._path)
        except FileNotFoundError:
            self._say(f"{self._path}: not there yet")
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._say(f"{self._path}: not a routing table, the one in use stays: {error}")
        else:
            self._seen, self._said = signature, ""
            self._use(table)

    def _say(self, text: str) -> None:
        if text != self._said:
            log.warning("%s", text)
        self._said = text
