"""The command line of llama-server, and how much memory that command line takes.

Four requests at a time (slots), each with its own 4,096 tokens of context or as many as the model was trained
for: enough for a chat, small enough for a laptop. The prompt cache of idle slots is held to 128 MiB;
llama-server's own limit of 8 GiB would not be seen by whoever checked the memory before the start. `args`
changes each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.engines.base import Slot
from headway.engines.flags import merge, to_flags
from headway.engines.gguf import Facts
from headway.errors import SpecError
from headway.perf import memory
from headway.perf.memory import Part
from headway.spec.revision import Revision, Task

__all__ = ["OWNED", "SLOTS", "command", "defaults", "environment", "number", "parts"]

SLOTS = 4
SLOT_CONTEXT = 4096
CACHE_MIB = 128
ALL_LAYERS = 999

OWNED = (
    "host", "port", "model", "alias", "m", "a", "api-key", "api-key-file", "path", "api-prefix", "ssl-key-file",
    "ssl-cert-file", "hf-repo", "hf", "hfr", "hf-file", "hff", "hf-token", "hft", "model-url", "mu", "docker-repo",
    "dr", "models-dir", "models-preset", "metrics", "embedding", "embeddings",
)  # fmt: skip
"""Where the server listens, what it serves and how Headway sees it. What would fetch a model past the pin is
here too."""


def defaults(task: Task, context: int, given: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Flag -> its default and the reason. `context` is what the model was trained for, 0 = not known."""
    slots = number(given, "parallel", SLOTS)
    slot = min(context or SLOT_CONTEXT, SLOT_CONTEXT)
    known = f"the model was trained for {context}" if context else "the model's own limit is not known yet"
    settled: dict[str, tuple[Any, str]] = {
        "parallel": (SLOTS, "so many requests at a time"),
        "ctx-size": (slots * slot, f"{slots} slots of {slot} tokens; {known}"),
    }
    if task == "embedding":
        why = "an input is embedded in one step, so a step must hold the longest"
        settled |= {"batch-size": (slots * slot, why), "ubatch-size": (slots * slot, why)}
    return settled


def command(program: str, model: str, revision: Revision, slot: Slot) -> tuple[str, ...]:
    ours: dict[str, Any] = {
        "threads": slot.threads,
        "n-gpu-layers": ALL_LAYERS if slot.gpus else 0,
        "no-webui": True,
    }
    if revision.task == "chat":
        ours["jinja"] = True
    owned = {"model": model, "alias": revision.model, "host": slot.host, "port": slot.port, "metrics": True}
    if revision.task == "embedding":
        owned["embeddings"] = True
    return (program, *to_flags(owned), *to_flags(merge(ours, revision.args)))


def environment(args: Mapping[str, Any]) -> dict[str, str]:
    """Newer settings go in by environment: a llama-server that is too old for them does not see them."""
    ours = {"LLAMA_ARG_OFFLINE": "1", "LLAMA_ARG_FIT": "off"}
    return ours if "cache-ram" in args else ours | {"LLAMA_ARG_CACHE_RAM": str(CACHE_MIB)}


def parts(facts: Facts, weights: int, args: Mapping[str, Any], task: Task) -> tuple[Part, ...]:
    """What one llama-server with these args holds in memory; `weights` in bytes."""
    given = merge({}, args)
    embeds = task == "embedding" and facts.embeds
    overhead = memory.llama_overhead(
        vocabulary=0 if embeds else facts.vocabulary,
        embedding=facts.embedding,
        batch=number(given, "ubatch-size", memory.BATCH),
    )
    if embeds:
        return Part("weights", weights), Part("of llama-server", overhead)
    slots = number(given, "parallel", SLOTS)
    tokens = number(given, "ctx-size", 0) or facts.context
    kv = memory.kv_cache(
        kv_heads=facts.kv_heads,
        key_length=facts.key_length,
        value_length=facts.value_length,
        tokens=tokens,
        key_bytes=memory.BYTES_PER_VALUE.get(str(given.get("cache-type-k", "f16")), 2.0),
        value_bytes=memory.BYTES_PER_VALUE.get(str(given.get("cache-type-v", "f16")), 2.0),
    )
    return (
        Part("weights", weights),
        Part(f"KV cache ({tokens} tokens in {slots} slots)", kv),
        Part("prompt cache", max(0, number(given, "cache-ram", CACHE_MIB)) << 20),
        Part("of llama-server", overhead),
    )


def number(args: Mapping[str, Any], key: str, default: int) -> int:
    value = args.get(key, default)
    if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
        raise SpecError(f"found {value!r}, use a whole number", field=f"args.{key}")
    return int(value)
