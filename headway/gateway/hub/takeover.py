"""Workers that a hub left behind when it was killed: they serve on until the next hub's workers do.

The next hub reads their process ids from the board of the last one, starts its own workers on the same port, and then
lets the old ones end politely.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from headway.gateway.board import Board

if TYPE_CHECKING:
    import psutil

__all__ = ["end_politely", "left_behind"]

log = logging.getLogger("headway.gateway")

WORKERS = ("headway.gateway.worker", "headway.gateway.picker.worker")


def left_behind(board: Path) -> list[psutil.Process]:
    """Living workers of the hub that had this board."""
    pids = Board.pids_of(board)
    if not pids:
        return []
    import psutil  # noqa: PLC0415 (only after a death)

    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if any(each in WORKERS for each in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


async def end_politely(workers: list[psutil.Process], seconds: float) -> None:
    """SIGTERM, which lets their requests end; after `seconds` SIGKILL."""
    if not workers:
        return
    import psutil  # noqa: PLC0415

    log.info("taking over from %d workers of a hub that is gone", len(workers))
    for process in workers:
        try:
            process.terminate()
        except psutil.Error:
            continue
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=seconds)
    for process in alive:
        process.kill()
