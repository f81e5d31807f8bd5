"""Measures the processor: copies and products by numpy, and prefill and decode by a real llama-server.

llama-server says itself how long a prompt and its answer took (`timings` of /completion). It runs alone, one request at
a time, with a prompt of given tokens that no cache holds, and is ended when all is measured.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from headway.engines import builtin, llama_build
from headway.errors import EngineError

__all__ = ["Timed", "copied", "llama_steps", "model_here", "multiplied"]

COPY_BYTES = 128 << 20
"""For each thread: far more than caches hold."""
SIZE = 1024
RUNS = 5
MODEL = "smollm2-135m-instruct"
STARTS_WITHIN = 60.0
ANSWERS_WITHIN = 120.0
ANSWER = 24
"""Tokens: enough that the first, which waits for the prompt, weighs little."""
TRIES = 5
ENOUGH = 8.0
"""Seconds of one length of prompt, after which it is not tried again."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of a prompt of so many tokens, and of one decode step with `context` tokens on the mean."""

    prompt: int
    prefill: float
    context: int
    decode: float


def copied(threads: int, size: int = COPY_BYTES) -> float:
    """Bytes/s that so many threads read and write together."""
    import numpy  # noqa: PLC0415 (heavy, and only here)

    arrays = [(numpy.ones(size // 8), numpy.empty(size // 8)) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:

        def all_once() -> None:
            list(pool.map(lambda pair: numpy.copyto(pair[1], pair[0]), arrays))

        return 2 * size * threads / _median_seconds(all_once)


def multiplied(size: int = SIZE) -> float:
    """FLOP/s of products of 32-bit floats, on as many threads as numpy's BLAS takes."""
    import numpy  # noqa: PLC0415

    random = numpy.random.default_rng(0)
    left, right = (random.standard_normal((size, size), dtype=numpy.float32) for _ in range(2))
    return 2.0 * size**3 / _median_seconds(lambda: left @ right)


def model_here() -> tuple[Path, Path] | None:
    """llama-server and the built-in model's file, if both are on this machine already."""
    known = builtin.find(MODEL)
    program, weights = llama_build.find(), known.folder / known.weights
    return (program, weights) if program is not None and weights.is_file() else None


def llama_steps(program: Path, weights: Path, threads: int, prompts: tuple[int, ...] = (128, 512)) -> Iterator[Timed]:
    """One for each length of prompt. Raises EngineError when the server does not start or answer."""
    with _server(program, weights, threads, max(prompts) + ANSWER + 64) as port:
        _complete(port, 16)  # the first answer pays for the pages of the weights
        for tokens in prompts:
            said = _tried(port, tokens)
            yield Timed(
                prompt=tokens,
                prefill=median(each["prompt_ms"] for each in said) / 1e3,
                context=tokens + ANSWER // 2,
                decode=median(each["predicted_per_token_ms"] for each in said) / 1e3,
            )


@contextmanager
def _server(program: Path, weights: Path, threads: int, context: int) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    size = ("--ctx-size", str(context), "--parallel", "1", "--threads", str(threads), "--n-gpu-layers", "0")
    argv = (str(program), "--model", str(weights), "--host", "127.0.0.1", "--port", str(port), *size, "--no-webui")
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_us if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread of ours runs now
    )
    try:
        _wait(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_us() -> None:
    """In the child: the kernel ends it when we are killed and can end nothing (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise EngineError(f"llama-server ended with status {process.returncode}", hint="headway doctor")
        try:
            if _ask(port, "GET", "/health", None, 2.0)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)
    raise EngineError(f"llama-server was not ready within {STARTS_WITHIN:.0f} s", hint="is the machine busy?")


def _tried(port: int, tokens: int) -> list[dict[str, float]]:
    said: list[dict[str, float]] = []
    ends = time.monotonic() + ENOUGH
    while not said or (len(said) < TRIES and time.monotonic() < ends):
        said.append(_complete(port, tokens))
    return said


def _complete(port: int, tokens: int) -> dict[str, float]:
    """`timings` of a prompt of so many tokens. The ids differ from one another, as those of text do."""
    prompt = [1000 + 37 * each % 20000 for each in range(tokens)]
    asked = {"prompt": prompt, "n_predict": ANSWER, "cache_prompt": False, "ignore_eos": True, "temperature": 0}
    try:
        status, body = _ask(port, "POST", "/completion", json.dumps(asked), ANSWERS_WITHIN)
        timings: dict[str, float] = json.loads(body)["timings"]
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise EngineError(f"llama-server did not answer: {error}", hint="is the machine busy?") from error
    if status != 200 or timings["prompt_n"] != tokens:
        raise EngineError(f"llama-server took {timings.get('prompt_n')} of {tokens} tokens", hint="use a newer one")
    return timings


def _ask(port: int, method: str, path: str, body: str | None, within: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    runs = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        runs.append(time.perf_counter() - started)
    return median(runs)
