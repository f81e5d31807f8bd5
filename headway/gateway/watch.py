"""The table file, followed level-triggered: whatever is in it at a look is what is used, however it came
there.

A file that is missing or wrong is logged once and the table in use stays. As long as something could not be
used (a secret that is missing) each look tries again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from headway.gateway.core import Gateway, log
from headway.gateway.table import read_table

__all__ = ["TableWatch"]


class TableWatch:
    def __init__(self, gateway: Gateway, path: Path) -> None:
        self._gateway, self._path = gateway, path
        self._seen: tuple[int, int, int] | None = None
        self._said = ""
        self._again = False

    def look(self, force: bool = False) -> None:
        """Read the file if it changed, or in any case with `force`."""
        try:
            found = self._path.stat()
            signature = (found.st_mtime_ns, found.st_ino, found.st_size)
            if signature == self._seen and not self._again and not force:
                return
            table = read_table(self._path)
        except FileNotFoundError:
            self._say(f"{self._path}: not there yet")
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._say(f"{self._path}: not a routing table, the one in use stays: {error}")
        else:
            self._seen = signature
            problems = self._gateway.use(table)
            self._again = bool(problems)
            self._say("; ".join(problems))

    def _say(self, text: str) -> None:
        if text and text != self._said:
            log.warning("%s", text)
        self._said = text
