"""The machine's calibrations: one small JSON file in the state directory.

    {"devices": [{"device": "NVIDIA H200", "accelerator": "H200-SXM", "engine": "torch",
      "measured": "2026-11-21T23:40:00Z", "by": "torch 2.9.1", "bandwidth": 4.1e12, "memory": 150754820096,
      "flops": {"bf16": 7.2e14},
      "points": [{"seconds": 0.0041, "predicted": 0.0038, "sequences": 16, "context": 1024}]}]}

One for each device; the fields are those of `headway.perf.calibration.Calibration`. `fits` beside them has the
engines' constants as `headway perf calibrate` found them, one for each `headway.perf.live.fitted.Fit.key`. Other keys
stay as they are. Delete the file to forget all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from headway.errors import UsageError
from headway.paths import StateDir
from headway.perf.calibration import Calibration, applied
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.live.fitted import Fit

__all__ = ["calibrated", "fits", "keep", "keep_fit", "kept", "place"]

NAME = "calibration.json"


def place(state: StateDir) -> Path:
    return state.root / NAME


def kept(state: StateDir) -> tuple[Calibration, ...]:
    """Raises UsageError for a file that cannot be read."""
    path = place(state)
    try:
        return msgspec.convert(_all(path).get("devices", ()), tuple[Calibration, ...])
    except msgspec.ValidationError as error:
        raise _unreadable(path, error) from error


def keep(state: StateDir, found: Calibration) -> Path:
    """Instead of an earlier one of the same device. The file is whole at any time."""
    devices = [*(each for each in kept(state) if each.device != found.device), found]
    path = place(state.create())
    _write(path, "devices", devices)
    return path


def fits(path: Path) -> tuple[Fit, ...]:
    """Of the file `path`. Raises UsageError for a file that cannot be read."""
    try:
        return msgspec.convert(_all(path).get("fits", ()), tuple[Fit, ...])
    except msgspec.ValidationError as error:
        raise _unreadable(path, error) from error


def keep_fit(path: Path, found: Fit) -> None:
    """In place of an earlier one for the same. UsageError: `path` holds other things, or cannot be written."""
    _write(path, "fits", [*(each for each in fits(path) if each.key != found.key), found])


def _write(path: Path, key: str, values: list[Any]) -> None:
    fresh = path.with_suffix(".new")
    text = msgspec.json.format(msgspec.json.encode({**_all(path), key: values}), indent=1)
    try:
        fresh.write_bytes(text)
        fresh.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", hint="name a file in a folder") from error


def _all(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} is no calibration: {error}", hint="delete it, and measure again")


def calibrated(accelerator: Accelerator, state: StateDir) -> Accelerator:
    """With what was measured on this machine of that one (its slices not among them); as it is where nothing was."""
    found = next((each for each in kept(state) if each.accelerator == accelerator.name), None)
    return applied(accelerator, found) if found else accelerator
