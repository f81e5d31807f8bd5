"""How fast and how large a mock engine is. Pure.

One engine step takes

    step_base + per_prefill_token * prompt tokens + per_sequence * sequences + per_context_token * tokens of context

seconds: what a step costs however little it does (the weights are read once), arithmetic for the prompt's tokens,
work on the host for each sequence, and reading the KV cache. The named profiles follow from data sheets:

    step_base          bytes of weights / memory bandwidth, plus about a fifth for launches and the host (round)
    per_prefill_token  2 * parameters / (peak dense FLOP/s of bf16 * 0.5); one half of peak is a round figure
    per_context_token  bytes of KV for a token / memory bandwidth
    kv_tokens          (0.9 * memory - weights - about 2 GB of activations) / bytes of KV for a token
    per_sequence       20 us, a round figure
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from headway.engines.mock_kv import BLOCK_TOKENS
from headway.errors import UsageError

__all__ = ["PROFILES", "Profile", "changed", "checked", "load"]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Seconds and tokens. A file holds any of these; the rest is as in `instant`."""

    step_base: float = 0.0
    per_prefill_token: float = 0.0
    per_sequence: float = 0.0
    per_context_token: float = 0.0
    kv_tokens: int = 262_144
    max_model_len: int = 131_072
    max_batched_tokens: int = 8192  # tokens of one step, as vLLM's --max-num-batched-tokens
    max_running: int = 256  # sequences of one step, as vLLM's --max-num-seqs
    max_loras: int = 4
    lora_load: float = 0.0

    @property
    def blocks(self) -> int:
        return self.kv_tokens // BLOCK_TOKENS

    @property
    def longest(self) -> int:
        """Tokens of prompt and answer that one request may have: what fits the cache alone always ends."""
        return min(self.max_model_len, self.blocks * BLOCK_TOKENS)

    def seconds(self, prefill: int, sequences: int, context: int) -> float:
        """What one step takes."""
        return (
            self.step_base
            + self.per_prefill_token * prefill
            + self.per_sequence * sequences
            + self.per_context_token * context
        )

    def faster(self, factor: float) -> Profile:
        """The same engine on hardware so many times as fast."""
        return msgspec.structs.replace(
            self,
            step_base=self.step_base / factor,
            per_prefill_token=self.per_prefill_token / factor,
            per_sequence=self.per_sequence / factor,
            per_context_token=self.per_context_token / factor,
            lora_load=self.lora_load / factor,
        )


PROFILES: Mapping[str, Profile] = {
    # No time at all and round sizes: for tests of what stands before an engine.
    "instant": Profile(),
    # Llama 3.1 8B in bf16 (8.0 B parameters, 16.1 GB; 32 layers, 8 KV heads of 128: 131,072 bytes a token) on one
    # H100 SXM (80 GB, 3.35 TB/s, 989 TFLOP/s dense bf16; NVIDIA's data sheet). Loads of adapters are round figures.
    "h100-8b": Profile(
        step_base=0.0058,
        per_prefill_token=1 / 31_000,
        per_sequence=20e-6,
        per_context_token=131_072 / 3.35e12,
        kv_tokens=411_000,
        lora_load=0.05,
    ),
    # The same model on one L4 (24 GB, 300 GB/s, 121 TFLOP/s dense bf16; NVIDIA's data sheet).
    "l4-8b": Profile(
        step_base=0.064,
        per_prefill_token=1 / 3_800,
        per_sequence=20e-6,
        per_context_token=131_072 / 300e9,
        kv_tokens=26_000,
        max_model_len=16_384,
        max_batched_tokens=2048,
        lora_load=0.2,
    ),
    # Qwen2.5 32B in bf16 (32.8 B parameters, 65.5 GB; 64 layers, 8 KV heads of 128: 262,144 bytes a token) on two
    # H100: prefill speed, KV tokens and budget are those of the routing simulation that the gateway's policy was chosen
    # with; the decode constants follow from 2 * 3.35 TB/s.
    "qwen32b-2xh100": Profile(
        step_base=0.012,
        per_prefill_token=1 / 16_000,
        per_sequence=20e-6,
        per_context_token=262_144 / 6.7e12,
        kv_tokens=286_000,
        max_model_len=32_768,
        lora_load=0.1,
    ),
}


def load(name: str) -> Profile:
    """A named profile, or one from a JSON file. Raises UsageError."""
    if found := PROFILES.get(name):
        return found
    if not name.endswith(".json"):
        raise UsageError(f"no profile {name!r}", hint=f"use one of {', '.join(PROFILES)}, or a file that ends in .json")
    try:
        profile = msgspec.json.decode(Path(name).read_bytes(), type=Profile)
    except OSError as error:
        raise UsageError(f"profile {name}: {error.strerror}", hint="name a file that can be read") from error
    except msgspec.DecodeError as error:
        raise UsageError(
            f"profile {name}: {error}", hint=f"its fields are {', '.join(Profile.__struct_fields__)}"
        ) from error
    return checked(profile)


def changed(profile: Profile, given: Mapping[str, Any]) -> Profile:
    """The profile with what was given (None = not given). Raises UsageError."""
    return checked(
        msgspec.structs.replace(profile, **{key: value for key, value in given.items() if value is not None})
    )


def checked(profile: Profile) -> Profile:
    """Raises UsageError for numbers that no engine has."""
    for field in Profile.__struct_fields__:
        if getattr(profile, field) < 0:
            raise UsageError(f"profile: {field} is {getattr(profile, field)}", hint="use a number that is not below 0")
    for field in ("max_model_len", "max_batched_tokens", "max_running", "blocks", "max_loras"):
        if getattr(profile, field) < 1:
            least = BLOCK_TOKENS if field == "blocks" else 1
            raise UsageError(
                f"profile: {field.replace('blocks', 'kv_tokens')} is too small", hint=f"use {least} or more"
            )
    return profile
