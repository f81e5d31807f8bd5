"""guidellm (vLLM project): options of `kind=…,name=value`, a file of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL, Asked, Command, Place, Told
from benchmarks.gateway.environments import virtual_environment
from benchmarks.gateway.process import BenchError

__all__ = ["GuideLlm"]

VERSION = "0.8.1"
RESULT = "benchmarks.json"


class GuideLlm:
    name = "guidellm"
    limits = True

    def set_up(self, cache: Path) -> str:
        self._bin = virtual_environment(cache, "guidellm", VERSION)
        return f"guidellm {VERSION}"

    def command(self, asked: Asked, place: Place) -> Command:
        backend = {"kind": "openai_http", "target": place.url, "model": MODEL, "request_format": "/v1/chat/completions"}
        profile: dict[str, object] = {"kind": asked.pattern, "rate": asked.rate}
        if asked.in_flight is not None:
            profile["max_concurrency"] = asked.in_flight
        data = {"kind": "synthetic_text", "prompt_tokens": asked.prompt, "output_tokens": asked.output}
        options: dict[str, dict[str, object]] = {
            "backend": {**backend, "stream": "true" if asked.stream else "false"},
            "profile": profile,
            "constraint": {"kind": "max_requests", "count": asked.requests},
            "tokenizer": {"kind": "huggingface_auto", "model": place.tokenizer},
            "data": dict(data),
            "seed": {"kind": "static", "value": asked.seed},
            "output": {"kind": "json", "path": place.folder / RESULT},
        }
        words = [word for name, fields in options.items() for word in (f"--{name}", _written(fields))]
        argv = (str(self._bin / "guidellm"), "run", *words, "--output", "kind=console", "--disable-progress")
        return Command(argv, {"HF_HUB_OFFLINE": "1"})

    def told(self, place: Place, output: str) -> Told:
        try:
            (run,) = json.loads((place.folder / RESULT).read_text())["benchmarks"]
        except OSError:
            raise BenchError(f"guidellm wrote no result: {output[-300:]}") from None
        metrics: dict[str, Any] = run["metrics"]

        def of(name: str) -> dict[str, Any]:
            return (metrics.get(name) or {}).get("successful") or {}

        first, between = of("time_to_first_token_ms"), of("inter_token_latency_ms")
        return Told(
            ttft_p50=_seconds(first.get("median")),
            ttft_p99=_seconds((first.get("percentiles") or {}).get("p99")),
            itl=_seconds(between.get("mean")),
            rate=of("requests_per_second").get("mean"),
            words=" ".join(line.strip() for line in output.splitlines() if "saturat" in line.lower())[:300],
        )


def _written(fields: dict[str, object]) -> str:
    return ",".join(f"{name}={value}" for name, value in fields.items())


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
