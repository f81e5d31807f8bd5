"""The machine's calibrations: one small JSON file in the state directory.

    {"devices": [{"device": "NVIDIA H200", "accelerator": "H200-SXM", "engine": "torch",
      "measured": "2026-11-21T23:40:00Z", "by": "torch 2.9.1", "bandwidth": 4.1e12, "memory": 150754820096,
      "flops": {"bf16": 7.2e14},
      "points": [{"seconds": 0.0041, "predicted": 0.0038, "sequences": 16, "context": 1024}]}]}

One for each device; the fields are those of `headway.perf.calibration.Calibration`. Other keys of the file belong to
others and stay as they are. Delete the file to forget all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from headway.errors import UsageError
from headway.paths import StateDir
from headway.perf.calibration import Calibration, applied
from headway.perf.catalog.accelerator import Accelerator

__all__ = ["calibrated", "keep", "kept", "place"]

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
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode({**_all(path), "devices": devices}), indent=1))
    fresh.replace(path)
    return path


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
