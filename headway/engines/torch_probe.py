"""Measures a device with plain PyTorch: copies, products of matrices, steps of Llama-shaped layers of random weights.

A program of one file that needs nothing but torch, so that any Python on the machine that has it can run it:

    python torch_probe.py '{"device": "cuda", …}'

It prints one JSON object a line as results come: {"what": "device" | "copy" | "product" | "prefill" | "decode", …};
what a device cannot do comes with "left_out" and the reason. The median of some runs, after two that are not counted.
Decode steps run as a CUDA graph where the device has them, as engines run theirs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

WARM = 2
LEAST, MOST = 5, 50
"""Runs of one measurement."""
AT_LEAST = 0.3
"""Seconds that the runs of one measurement take together, if MOST are not done before."""
EIGHT_BITS = 448.0
"""The largest value of float8_e4m3fn."""


def main() -> None:
    plan = json.loads(sys.argv[1])
    import torch  # noqa: PLC0415 (only in this child process)

    torch.manual_seed(0)
    device = torch.device(plan["device"])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with torch.inference_mode():
        for found in measured(torch, device, plan):
            print(json.dumps(found), flush=True)  # noqa: T201


def measured(torch: Any, device: Any, plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield about(torch, device)
    yield copied(torch, device, plan["copy_bytes"])
    for dtype in plan["dtypes"]:
        yield multiplied(torch, device, dtype, plan["product"])
    stack = Stack(torch, device, plan)
    for tokens in plan["prefills"]:
        yield {"what": "prefill", "tokens": tokens} | tried(partial(stack.prefill, tokens))
    for sequences, context in plan["decodes"]:
        told = {"what": "decode", "sequences": sequences, "context": context}
        yield told | tried(partial(stack.decode, sequences, context))


def tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a device has no room or no kernel for is left out; the rest is measured."""
    try:
        return work()
    except (RuntimeError, AttributeError, TypeError, ValueError, NotImplementedError) as error:
        return {"left_out": " ".join(str(error).split())[:200]}


def about(torch: Any, device: Any) -> dict[str, Any]:
    told = {"what": "device", "torch": torch.__version__, "name": device.type, "memory": 0}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        told |= {"name": properties.name, "memory": properties.total_memory}
    return told


def copied(torch: Any, device: Any, size: int) -> dict[str, Any]:
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = timed(torch, device, lambda: target.copy_(source))
    return {"what": "copy", "bytes_per_second": 2 * size / seconds}


def multiplied(torch: Any, device: Any, dtype: str, size: int) -> dict[str, Any]:
    def flops() -> dict[str, Any]:
        return {"flops": 2 * size**3 / timed(torch, device, product(torch, device, dtype, size))}

    return {"what": "product", "dtype": dtype, "size": size} | tried(flops)


def product(torch: Any, device: Any, dtype: str, size: int) -> Callable[[], Any]:
    left, right = (torch.randn(size, size, device=device) for _ in range(2))
    if dtype == "fp8":
        if device.type != "cuda":
            raise ValueError("PyTorch multiplies fp8 on GPUs alone")
        left, right = (each.clamp(-EIGHT_BITS, EIGHT_BITS).to(torch.float8_e4m3fn) for each in (left, right))
        scale = torch.ones((), device=device)
        return lambda: torch._scaled_mm(left, right.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16)
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype, torch.float32)
    left, right = left.to(kind), right.to(kind)
    return lambda: left @ right


def timed(torch: Any, device: Any, work: Callable[[], Any]) -> float:
    """Seconds of one run: the median."""

    def once(times: int = 1) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()
        return (time.perf_counter() - started) / times

    for _ in range(WARM):
        rough = once()
    several = max(1, min(100, int(0.005 / max(rough, 1e-9))))  # so that the clock and the last wait do not count
    runs: list[float] = []
    began = time.perf_counter()
    while len(runs) < LEAST or (len(runs) < MOST and time.perf_counter() - began < AT_LEAST):
        runs.append(once(several))
    return median(runs)


class Stack:
    """Decoder layers and the vocabulary's matrix; each layer has weights of its own, so that no cache holds them."""

    def __init__(self, torch: Any, device: Any, plan: dict[str, Any]) -> None:
        self.torch, self.device, self.shape = torch, device, plan["shape"]
        self.dtype = torch.bfloat16
        hidden, wide = self.shape["hidden"], self.shape["heads"] * self.shape["head_dim"]
        narrow, ffn = self.shape["kv_heads"] * self.shape["head_dim"], self.shape["ffn"]
        self.layers = [
            {
                "in": self.weights(hidden, wide + 2 * narrow),
                "out": self.weights(wide, hidden),
                "up": self.weights(hidden, 2 * ffn),
                "down": self.weights(ffn, hidden),
            }
            for _ in range(self.shape["layers"])
        ]
        self.head = self.weights(hidden, self.shape["vocabulary"])
        self.scale = torch.ones(hidden, device=device, dtype=self.dtype)

    def weights(self, rows: int, columns: int) -> Any:
        return self.torch.empty(rows, columns, device=self.device, dtype=self.dtype).normal_(0, rows**-0.5)

    def prefill(self, tokens: int) -> dict[str, Any]:
        """Seconds of one prompt, and of the vocabulary for its last token."""
        start = self.torch.randn(1, tokens, self.shape["hidden"], device=self.device, dtype=self.dtype)

        def step() -> Any:
            values = start
            for layer in self.layers:
                values = self.after(layer, values, self.whole(layer, values))
            return self.normal(values[:, -1]) @ self.head

        return {"seconds": timed(self.torch, self.device, step)}

    def decode(self, sequences: int, context: int) -> dict[str, Any]:
        """Seconds of one token for each of so many sequences, each with so many before it."""
        shape = (sequences, self.shape["kv_heads"], context, self.shape["head_dim"])
        caches = [
            tuple(self.torch.randn(*shape, device=self.device, dtype=self.dtype) for _ in range(2)) for _ in self.layers
        ]
        start = self.torch.randn(sequences, 1, self.shape["hidden"], device=self.device, dtype=self.dtype)

        def step() -> Any:
            values = start
            for layer, cache in zip(self.layers, caches, strict=True):
                values = self.after(layer, values, self.one_more(layer, values, cache))
            return self.normal(values[:, -1]) @ self.head

        replay = self.graph(step)
        return {"seconds": timed(self.torch, self.device, replay or step), "graph": replay is not None}

    def graph(self, step: Callable[[], Any]) -> Callable[[], Any] | None:
        """The step as one CUDA graph; None where there is none."""
        if self.device.type != "cuda":
            return None
        step()
        self.torch.cuda.synchronize(self.device)
        recorded = self.torch.cuda.CUDAGraph()
        try:
            with self.torch.cuda.graph(recorded):
                step()
        except RuntimeError:
            return None
        replay: Callable[[], Any] = recorded.replay
        return replay

    def normal(self, values: Any) -> Any:
        return values * self.torch.rsqrt(values.pow(2).mean(-1, keepdim=True) + 1e-5) * self.scale

    def split(self, layer: dict[str, Any], values: Any) -> tuple[Any, Any, Any]:
        """Queries, keys and values as [sequence, head, token, width]."""
        heads, kv_heads, width = (self.shape[key] for key in ("heads", "kv_heads", "head_dim"))
        parts = (self.normal(values) @ layer["in"]).split([heads * width, kv_heads * width, kv_heads * width], -1)
        queries, keys, stored = (part.unflatten(-1, (-1, width)).transpose(1, 2) for part in parts)
        return queries, keys, stored

    def whole(self, layer: dict[str, Any], values: Any) -> Any:
        queries, keys, stored = self.split(layer, values)
        group = self.shape["heads"] // self.shape["kv_heads"]
        keys, stored = keys.repeat_interleave(group, 1), stored.repeat_interleave(group, 1)
        attend = self.torch.nn.functional.scaled_dot_product_attention
        return attend(queries, keys, stored, is_causal=True).transpose(1, 2).flatten(2)

    def one_more(self, layer: dict[str, Any], values: Any, cache: Any) -> Any:
        """The queries of a group read their keys once: they stand as rows of one product."""
        queries, keys, stored = self.split(layer, values)
        cache[0][:, :, -1:], cache[1][:, :, -1:] = keys, stored
        group = self.shape["heads"] // self.shape["kv_heads"]
        rows = queries.squeeze(2).unflatten(1, (-1, group))
        found = self.torch.nn.functional.scaled_dot_product_attention(rows, cache[0], cache[1])
        return found.flatten(1).unsqueeze(1)

    def after(self, layer: dict[str, Any], values: Any, attended: Any) -> Any:
        values = values + attended @ layer["out"]
        gate, up = (self.normal(values) @ layer["up"]).chunk(2, -1)
        return values + (self.torch.nn.functional.silu(gate) * up) @ layer["down"]


if __name__ == "__main__":
    main()
