"""A GPU as measured by PyTorch: copies, products of matrices by dtype, steps of layers like Llama-3.1-8B's.

The same on PyTorch's `cpu`, with a model that a laptop bears: a check of the measurement itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headway.cli.measure import HEAD, row
from headway.engines import torch_check
from headway.errors import UsageError
from headway.perf.calibration import Calibration, Point
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture
from headway.perf.predict import step_time
from headway.perf.setting import Setting
from headway.perf.step.shape import StepTime

__all__ = ["measure"]

LAYERS = 8
"""Of Llama-3.1-8B's 32: 3.5 GB of weights, so that it fits on any GPU and in no cache."""


def measure(device: str, tell: Callable[[str], None]) -> Calibration:
    """Raises EngineError without PyTorch, or where it fails."""
    seen = _Seen(_model(device), tell)
    torch_check.run(_plan(device, seen.model), seen.heard)
    return seen.calibration()


def _model(device: str) -> Architecture:
    if device.startswith("cuda"):
        return replace(architecture("meta-llama/Llama-3.1-8B"), layers=LAYERS)
    return replace(architecture("HuggingFaceTB/SmolLM2-135M"), layers=4)


def _plan(device: str, model: Architecture) -> torch_check.Plan:
    shape = torch_check.widths(model)
    if device.startswith("cuda"):
        return torch_check.Plan(shape, device=device)
    return torch_check.Plan(
        shape,
        device=device,
        copy_bytes=64 << 20,
        product=512,
        dtypes=("bf16", "fp8", "f32"),
        prefills=(64, 256),
        decodes=((1, 256), (8, 256)),
    )


@dataclass(slots=True)
class _Seen:
    """Results as they come in, each told at once beside what the catalogue and the model say."""

    model: Architecture
    tell: Callable[[str], None]
    about: dict[str, Any] = field(default_factory=dict)
    listed: Accelerator | None = None
    bandwidth: float = 0.0
    flops: dict[str, float] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    steps: StepTime | None = None

    def heard(self, found: Mapping[str, Any]) -> None:
        {
            "device": self._device,
            "copy": self._copy,
            "product": self._product,
            "prefill": self._prefill,
            "decode": self._decode,
        }[found["what"]](found)

    def _device(self, found: Mapping[str, Any]) -> None:
        self.about = dict(found)
        if found["name"] == "cpu":
            self.tell(f"cpu by torch {found['torch']}: a check of the measurement itself, without a prediction")
            return
        try:
            self.listed = accelerator(found["name"].replace(" MIG ", "/"))  # as torch calls a slice
        except UsageError:
            self.tell(f"{found['name']} is not in the catalogue: nothing to compare with, no prediction")
        listed = f"; {self.listed.name} of the catalogue" if self.listed else ""
        self.tell(f"{found['name']} by torch {found['torch']}{listed}")

    def _copy(self, found: Mapping[str, Any]) -> None:
        self.bandwidth = found["bytes_per_second"]
        self.tell(f"copying          {self.bandwidth / 1e9:8.1f} GB/s{self._share(self.bandwidth, 'bandwidth')}")

    def _product(self, found: Mapping[str, Any]) -> None:
        dtype = found["dtype"]
        if self._left_out(f"products in {dtype:<4}", found):
            return
        self.flops[dtype] = found["flops"]
        self.tell(f"products in {dtype:<4} {found['flops'] / 1e12:8.2f} TFLOP/s{self._share(found['flops'], dtype)}")

    def _left_out(self, what: str, found: Mapping[str, Any]) -> bool:
        if "left_out" in found:
            self.tell(f"{what} not measured: {found['left_out']}")
        return "left_out" in found

    def _share(self, measured: float, what: str) -> str:
        if self.listed is None:
            return ""
        stated = self.listed.bandwidth if what == "bandwidth" else self.listed.flops.get(what)
        return (
            f", {measured / stated:.0%} of the {stated / (1e9 if what == 'bandwidth' else 1e12):,.0f} stated"
            if stated
            else ""
        )

    def _prefill(self, found: Mapping[str, Any]) -> None:
        tokens = found["tokens"]
        if self._left_out(f"prompt of {tokens} tokens", found):
            return
        predicted = self._predicted().seconds(tokens, tokens * tokens / 2, 1, 0, 0.0) if self.listed else 0.0
        self._point(f"prompt of {tokens} tokens", Point(found["seconds"], predicted, prompt=tokens))

    def _decode(self, found: Mapping[str, Any]) -> None:
        sequences, context = found["sequences"], found["context"]
        if self._left_out(f"{sequences} decode after {context}", found):
            return
        seen = float(sequences * context)
        predicted = self._predicted().seconds(0, 0.0, 0, sequences, seen) if self.listed else 0.0
        point = Point(found["seconds"], predicted, sequences=sequences, context=context)
        self._point(f"{sequences} decode after {context}", point)

    def _point(self, what: str, point: Point) -> None:
        if not self.points:
            by = "; predicted for vLLM" if self.listed else ""
            self.tell(f"\n{self.model.layers} layers like those of {self.model.name}, bf16{by}\n{HEAD}")
        self.points.append(point)
        self.tell(row(what, point))

    def _predicted(self) -> StepTime:
        if self.steps is None:
            assert self.listed is not None  # noqa: S101 - only asked where it is
            self.steps = step_time(Setting(self.model, self.listed))
        return self.steps

    def calibration(self) -> Calibration:
        return Calibration(
            device=self.about["name"],
            accelerator=self.listed.name if self.listed else "",
            engine="torch",
            measured=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            by=f"torch {self.about['torch']}",
            bandwidth=self.bandwidth,
            memory=self.about["memory"],
            flops=self.flops,
            points=tuple(self.points),
        )
