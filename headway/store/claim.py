"""One gateway at a time has a ledger that is a SQLite file. A second one beside it would take the first one's workers
for left behind and charge what they hold; it is told so, and has the ledger when the first has ended, however that was.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from headway.errors import ResourceError

__all__ = ["Claim"]


class Claim:
    """`take` it before the ledger is read; the kernel gives it back when the process ends."""

    def __init__(self, ledger: Path) -> None:
        self._ledger, self._path = ledger, ledger.with_name(ledger.name + ".gateway")
        self._held: int | None = None

    def take(self) -> None:
        """Raises ResourceError while another has it."""
        if self._held is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ResourceError(f"{self._path}: cannot be made: {error}", hint="choose a folder with room") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            message = f"{self._ledger}: is the ledger of another gateway (process {owner})"
            hint = "give this one a --ledger of its own, or both one on PostgreSQL (docs/ledger.md)"
            raise ResourceError(message, hint=hint) from error
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._held = file

    def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
