"""What each field of the file means, with its unit and examples: the words of the JSON Schema and the reference page.

Every example is valid as it stands (a test loads them all), and errors repeat the first one.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

__all__ = [
    "ARGS",
    "BEGIN",
    "CPU",
    "DEADLINES",
    "ENGINE",
    "ENV",
    "GPU",
    "IDLE",
    "ITL",
    "KIND",
    "MEMORY",
    "NAME",
    "POLICY",
    "PRICE",
    "PRICE_CACHED",
    "PRICE_INPUT",
    "PRICE_OUTPUT",
    "PROFILES",
    "REPLICAS",
    "ROUTING",
    "SLO",
    "SOURCE",
    "TASK",
    "TTFT",
    "VARIANTS",
    "VARIANT_NAME",
    "WHOLE",
    "field_about",
]


def field_about(title: str, meaning: str, *examples: Any, unit: str = "") -> Any:
    extra: dict[str, Any] = {"x-unit": unit} if unit else {}
    return Field(title=title, description=meaning, examples=list(examples), json_schema_extra=extra)


KIND = field_about("Kind", "What this document describes.", "Model")
NAME = field_about(
    "Name",
    "What callers send as `model`. Letters a-z, digits and -, at most 63; one name stands once.",
    "chat",
)
SOURCE = field_about(
    "Source",
    "Where the model comes from: builtin, hf, file or openai, and on Kubernetes s3, gs, pvc, oci, ollama. "
    "An hf source may name a revision and one GGUF file. A relative file is seen from the folder of this file.",
    "builtin://smollm2-135m-instruct",
    "hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF",
    "hf://org/name@main/model-q4_k_m.gguf",
    "file://./model.gguf",
)
TASK = field_about("Task", "What it is for. Left out: derived from the model.", "chat", "completion", "embedding")
ENGINE = field_about("Engine", "The program that serves it. Left out: derived from the source.", "llamacpp", "vllm")
REPLICAS = field_about(
    "Replicas",
    "How many engines run: a number, or a range. A range runs its lower end, but at least 1.",
    2,
    "0..8",
    unit="engines",
)
GPU = field_about(
    "GPU",
    "GPUs of each Replica: auto (one if one fits, else cores), cpu (none), a number, a share of one, a product with "
    "a count, the least memory, or a MIG profile. Left out: derived from the engine and the Site.",
    "auto",
    "cpu",
    "H100:2",
    "24GB..",
    0.5,
    "mig-1g.10gb",
    unit="GPUs",
)
CPU = field_about("Cores", "Cores of each Replica. Left out: the Site divides its cores.", 2, 0.5, "500m", unit="cores")
MEMORY = field_about(
    "Memory",
    "Memory of each Replica. Left out: what the engine says it needs.",
    "1.5GiB",
    "512MB",
    unit="size: kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)",
)
SLO = field_about("Latency limits", "Latency limits at the 95th percentile.", {"ttft": "500ms", "itl": "50ms"})
TTFT = field_about(
    "Time to first token",
    "Of 100 answers 95 begin within it.",
    "500ms",
    unit="duration: ms, s, m, h, d",
)
ITL = field_about(
    "Inter-token latency",
    "Of 100 gaps between two tokens 95 are no longer.",
    "50ms",
    unit="duration: ms, s, m, h, d",
)
PRICE = field_about(
    "Price",
    "What tokens cost those who use the Model, for budgets and accounts in money.",
    {"input": "0.15/1M", "output": "0.60/1M"},
)
PRICE_INPUT = field_about(
    "Prompt tokens", "Money for a number of tokens.", "0.15/1M", "0.15 USD/1M", unit="USD for a number of tokens"
)
PRICE_CACHED = field_about(
    "Cached prompt tokens",
    "Of prompt tokens that the engine had in its cache. Left out: as input.",
    "0.075/1M",
    unit="USD for a number of tokens",
)
PRICE_OUTPUT = field_about(
    "Answer tokens", "Of the tokens written. Left out: as input.", "0.60/1M", unit="USD for a number of tokens"
)
DEADLINES = field_about(
    "Deadlines",
    "How long the gateway lets requests of this Model take, where its own times do not fit: shorter for a small model "
    "that others should stand in for, longer for one that thinks. Left out: the gateway's.",
    {"begin": "20s", "idle": "30s", "whole": "5m"},
)
_DURATION = "duration: ms, s, m, h, d"
BEGIN = field_about(
    "Begin",
    "From the sending of a request to the first byte of its answer; then another Replica is asked. An answer that is "
    "not streamed begins when it is whole. Left out: 5m for streams, no other limit than the whole for the rest.",
    "20s",
    unit=_DURATION,
)
IDLE = field_about(
    "Idle",
    "Between two pieces of an answer that has begun; then it ends with an error. Left out: 2m.",
    "30s",
    unit=_DURATION,
)
WHOLE = field_about(
    "Whole",
    "The whole of a request, its waiting counted in; then 504. A caller may ask for less, by x-headway-timeout. Left "
    "out: 10m.",
    "5m",
    "1h",
    unit=_DURATION,
)
VARIANTS = field_about(
    "Variants",
    "Unlike ways to serve this Model at once, under its one name: another GPU, quantisation, engine, a provider. Each "
    "has what it does not say itself from the Model. A profile that names source, engine or gpu leaves them out. Where "
    "prices differ and slo is given, the cheapest that is predicted to meet it is used. Left out: one, the Model's.",
    [{"name": "h100", "gpu": "H100"}, {"name": "l4", "gpu": "L4", "source": "hf://org/name-fp8"}],
)
VARIANT_NAME = field_about("Name", "What this way is called, in tables and metrics.", "l4-fp8")
ROUTING = field_about("Routing", "How the gateway chooses a Replica.", {"policy": "predicted_latency"})
POLICY = field_about(
    "Policy",
    "predicted_latency: the Replica that is predicted to cost the least time, with what it has cached, what waits and "
    "what runs there. The others are plainer, to compare with: each in turn, the fewest requests, the better of two "
    "at random, the one that had the same beginning.",
    "predicted_latency",
    "round_robin",
    "least_request",
    "power_of_two",
    "prefix_affinity",
)
ARGS = field_about(
    "Arguments",
    "Options of the engine, unread: {ctx-size: 8192} becomes --ctx-size 8192. true is an option without a value, "
    "a list repeats the option, null leaves out one that Headway would set.",
    {"ctx-size": 8192},
)
ENV = field_about(
    "Environment",
    "Environment variables of the engine. A secret is named, never written: secret:NAME/KEY.",
    {"HF_TOKEN": "secret:hf/token"},
)
PROFILES = field_about(
    "Profiles",
    "What is different on one Site, by its name, else by its kind (local, kubernetes). "
    "args and env are laid over the Model's own key by key, all else replaces it.",
    {"local": {"source": "builtin://smollm2-135m-instruct", "gpu": "cpu"}},
)
