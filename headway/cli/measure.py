"""`headway doctor --measure`: what this machine reaches, beside the catalogue's figures and the predictions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict

from headway.cli.words import duration
from headway.perf.calibration import Calibration, Point

__all__ = ["measured"]

Tell = Callable[[str], None]

BUSY = 0.5
"""Of the cores; with more load than that, what is measured is not the machine alone."""


def measured(device: str, *, keep: bool, as_json: bool) -> None:
    """Measures, shows each result as it comes, and offers to keep them. Raises EngineError for what is missing."""
    tell: Tell = _quiet if as_json else _say
    _busy(tell)
    found = _of_cores(tell) if device == "cores" or (not device and not _gpu(tell)) else _of_torch(device, tell)
    if as_json:
        print(json.dumps(asdict(found) | {"prefill": found.prefill, "decode": found.decode}, indent=2))
    if found.device != "cpu":  # PyTorch on cores is no engine
        _offer(found, keep, tell)


def _busy(tell: Tell) -> None:
    load, there = os.getloadavg()[0], cores()
    if load > BUSY * there:
        tell(f"others use this machine (load {load:.1f} on {there} cores): it is measured as busy as it is")


def _gpu(tell: Tell) -> bool:
    from headway.sites.local.inventory import read_inventory  # noqa: PLC0415
    from headway.sites.local.nvml import Gpus  # noqa: PLC0415

    there = read_inventory(Gpus())
    if not there.accelerators:
        why = "; ".join(there.notes)
        tell(f"no GPU is here{f' ({why})' if why else ''}: the processor is measured")
    return bool(there.accelerators)


def _of_torch(device: str, tell: Tell) -> Calibration:
    from headway.cli.measure_torch import measure  # noqa: PLC0415

    return measure(device or "cuda", tell)


def _of_cores(tell: Tell) -> Calibration:
    from headway.cli.measure_cores import measure  # noqa: PLC0415

    return measure(tell)


def _offer(found: Calibration, keep: bool, tell: Tell) -> None:
    from headway.engines.calibrations import keep as write  # noqa: PLC0415
    from headway.paths import StateDir  # noqa: PLC0415

    if not keep and sys.stdin.isatty() and sys.stdout.isatty() and tell is _say:
        keep = (
            input("\nKeep this as the machine's calibration, which plans then start from? [y/N] ").strip().lower()
            == "y"
        )
    if keep:
        tell(f"kept in {write(StateDir.default(), found)}; delete the file to forget it")
    else:
        tell("not kept; to keep it for plans: headway doctor --measure --keep")


def row(what: str, point: Point) -> str:
    """A step as measured, as predicted, and how far apart."""
    beside = f"{duration_of(point.predicted):>9}  {point.ratio:5.2f} x" if point.predicted else f"{'-':>9}"
    return f"  {what:<34} {duration_of(point.seconds):>9}  {beside}"


def duration_of(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.01 else duration(seconds)


HEAD = f"  {'step':<34} {'measured':>9}  {'predicted':>9}  measured is"


def _say(line: str) -> None:
    print(line, flush=True)


def _quiet(line: str) -> None:
    """Only the JSON is printed."""


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
