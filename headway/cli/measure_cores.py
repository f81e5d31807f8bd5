"""The processor as measured: copies and products by numpy, and the built-in model in a real llama-server."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from headway.cli.measure import HEAD, cores, row
from headway.engines import cores_check
from headway.engines.shape import shape_of
from headway.perf.calibration import Calibration, Point
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.accelerators import accelerator
from headway.perf.predict import step_time
from headway.perf.setting import Setting
from headway.perf.step.shape import StepTime

__all__ = ["measure"]


def measure(tell: Callable[[str], None]) -> Calibration:
    import psutil  # noqa: PLC0415

    threads, listed = cores(), accelerator("cpu")
    bandwidth = cores_check.copied(threads)
    tell(
        f"copying     {bandwidth / 1e9:6.1f} GB/s on {threads} threads; {listed.name} has {listed.bandwidth / 1e9:.0f}"
    )
    rate = cores_check.multiplied()
    tell(f"products    {rate / 1e9:6.0f} GFLOP/s of 32-bit floats; {listed.name} has {listed.flops['bf16'] / 1e9:.0f}")
    here = replace(listed, bandwidth=bandwidth, flops={"bf16": rate}, memory=psutil.virtual_memory().total)
    by, points = _llama(here, threads, tell)
    return Calibration(
        device=platform.processor() or platform.machine(),
        accelerator=listed.name,
        engine="llamacpp",
        measured=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        by=by,
        bandwidth=bandwidth,
        memory=here.memory,
        flops={"f32": rate},
        points=points,
    )


def _llama(here: Accelerator, threads: int, tell: Callable[[str], None]) -> tuple[str, tuple[Point, ...]]:
    there = cores_check.model_here()
    if there is None:
        tell(
            f"no step is measured: llama-server or the model is not here yet; headway up {cores_check.MODEL} gets both"
        )
        return "numpy", ()
    program, weights = there
    tell(f"\n{cores_check.MODEL} in llama-server on {threads} threads; predicted from the two figures above\n{HEAD}")
    points = []
    for what, point in _points(program, weights, threads, _steps(weights, here, threads)):
        tell(row(what, point))
        points.append(point)
    return "numpy, llama-server", tuple(points)


def _steps(weights: Path, here: Accelerator, threads: int) -> StepTime:
    model = shape_of(str(weights))
    return step_time(Setting(model, here, "llamacpp", weights=model.native, kv="f16", threads=threads))


def _points(program: Path, weights: Path, threads: int, steps: StepTime) -> Iterator[tuple[str, Point]]:
    for found in cores_check.llama_steps(program, weights, threads):
        tokens, seen = found.prompt, found.context
        predicted = steps.seconds(tokens, tokens * tokens / 2, 1, 0, 0.0)
        yield f"prompt of {tokens} tokens", Point(found.prefill, predicted, prompt=tokens)
        predicted = steps.seconds(0, 0.0, 0, 1, float(seen))
        yield f"a token after {seen}", Point(found.decode, predicted, sequences=1, context=seen)
