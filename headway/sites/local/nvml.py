"""NVIDIA GPUs and MIG slices, read through NVML (the module `pynvml`, from nvidia-ml-py) where there is one.

Never fails: what could not be read becomes a note. A GPU in MIG mode is listed by its slices alone, for CUDA cannot
use it whole. `CUDA_VISIBLE_DEVICES` of our own environment (a batch system, a container) is respected.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.sites.base import Accelerator

__all__ = ["Gpus"]


@dataclass(slots=True)
class Gpus:
    """NVML is taken up once and kept: without the persistence daemon each start of it takes seconds per GPU.

    `module` is the surface of pynvml; tests give a recorded one.
    """

    module: Any = None
    _started: bool = field(default=False, init=False)

    def read(self, environ: Mapping[str, str]) -> tuple[tuple[Accelerator, ...], tuple[str, ...]]:
        """What is visible to us, and notes on what could not be read."""
        if note := self._start():
            return (), (note,)
        try:
            count = int(self.module.nvmlDeviceGetCount())
        except self.module.NVMLError as error:
            return (), (f"GPUs not read: {error}",)
        found: list[tuple[int, Accelerator]] = []
        notes: list[str] = []
        for index in range(count):
            try:
                handle = self.module.nvmlDeviceGetHandleByIndex(index)
                found += [(index, one) for one in self._of(handle)]
            except self.module.NVMLError as error:
                notes.append(f"GPU {index} not read: {error}")
        return _visible(found, environ.get("CUDA_VISIBLE_DEVICES"), notes)

    def _start(self) -> str:
        """Empty when NVML answers, else why it does not."""
        if self._started:
            return ""
        if self.module is None:
            try:
                self.module = importlib.import_module("pynvml")
            except ImportError:
                return "GPUs not read: the package nvidia-ml-py is not installed (pip install headway[local])"
        try:
            self.module.nvmlInit()
        except self.module.NVMLError as error:
            return f"no NVIDIA GPU: {error}"
        self._started = True
        return ""

    def _of(self, handle: Any) -> list[Accelerator]:
        """The GPU itself, or its slices when it is cut into some."""
        uuid, product = _text(self.module.nvmlDeviceGetUUID(handle)), _text(self.module.nvmlDeviceGetName(handle))
        if not self._is_cut(handle):
            memory = self.module.nvmlDeviceGetMemoryInfo(handle)
            return [Accelerator(uuid, product, int(memory.total), int(memory.free))]
        return [self._slice(one, uuid, product) for one in self._slices(handle)]

    def _is_cut(self, handle: Any) -> bool:
        try:
            current, _pending = self.module.nvmlDeviceGetMigMode(handle)
        except self.module.NVMLError:  # a GPU that has no MIG mode says NotSupported
            return False
        return bool(current == self.module.NVML_DEVICE_MIG_ENABLE)

    def _slices(self, handle: Any) -> list[Any]:
        slices = []
        for index in range(int(self.module.nvmlDeviceGetMaxMigDeviceCount(handle))):
            try:
                slices.append(self.module.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
            except self.module.NVMLError_NotFound:  # places between slices are empty
                continue
        return slices

    def _slice(self, handle: Any, parent: str, product: str) -> Accelerator:
        memory = self.module.nvmlDeviceGetMemoryInfo(handle)
        name = re.search(r"\bMIG (\S+)", _text(self.module.nvmlDeviceGetName(handle)))
        profile = f"mig-{name[1].lower()}" if name else "mig"
        uuid = _text(self.module.nvmlDeviceGetUUID(handle))
        return Accelerator(uuid, product, int(memory.total), int(memory.free), parent, profile)


def _visible(
    found: list[tuple[int, Accelerator]], visible: str | None, notes: list[str]
) -> tuple[tuple[Accelerator, ...], tuple[str, ...]]:
    if visible is None:
        return tuple(one for _, one in found), tuple(notes)
    names = [name.strip() for name in visible.split(",") if name.strip()]
    shown = tuple(one for index, one in found if any(_names(name, index, one) for name in names))
    if len(shown) < len(found):
        notes.append(f"CUDA_VISIBLE_DEVICES={visible} hides {len(found) - len(shown)} of {len(found)} GPUs")
    return shown, tuple(notes)


def _names(name: str, index: int, one: Accelerator) -> bool:
    """CUDA takes an index, a UUID or the beginning of one; a GPU's name stands for its slices too."""
    return name == str(index) or (not name.isdigit() and (one.uuid.startswith(name) or one.parent == name))


def _text(value: Any) -> str:
    """Older pynvml answers bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
