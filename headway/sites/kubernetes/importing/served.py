"""Which model a container serves, and how: from its image, command, arguments and environment.

Known are vLLM (`vllm serve`, `python -m vllm.entrypoints.openai.api_server`), SGLang, llama.cpp's server and text
generation inference; each also inside of `sh -c "…"`. What Headway sets by itself (address, port, paths) is dropped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Served", "served"]

_MODEL = {"vllm": "model", "sglang": "model-path", "llamacpp": "model", "tgi": "model-id"}
_SHORT = {
    "llamacpp": {
        "m": "model", "hf": "hf-repo", "hfr": "hf-repo", "hff": "hf-file", "c": "ctx-size", "np": "parallel",
        "t": "threads", "tb": "threads-batch", "ngl": "n-gpu-layers", "a": "alias", "b": "batch-size",
        "ub": "ubatch-size", "fa": "flash-attn", "cb": "cont-batching",
    },
    "vllm": {
        "tp": "tensor-parallel-size", "pp": "pipeline-parallel-size", "dp": "data-parallel-size", "q": "quantization",
    },
}  # fmt: skip
_NAMES = ("served-model-name", "alias")
_OURS = frozenset(
    {
        "host", "port", "uds", "load-format", "download-dir", "root-path", "disable-log-requests", "enable-metrics",
        "metrics", "hostname", "uvicorn-log-level", "tokenizer-revision", "api-key-file", "n-gpu-layers",
    }
)  # fmt: skip
"""What Headway gives each engine itself."""
_PROGRAM = {
    "vllm": re.compile(r"(^|/)vllm$|vllm\.entrypoints"),
    "sglang": re.compile(r"sglang\.launch_server|(^|/)sglang$"),
    "llamacpp": re.compile(r"(^|/)llama-server$"),
    "tgi": re.compile(r"(^|/)text-generation-launcher$"),
}
_IMAGE = {
    "vllm": re.compile(r"vllm"),
    "sglang": re.compile(r"sglang"),
    "llamacpp": re.compile(r"llama[._-]?cpp|llama-server"),
    "tgi": re.compile(r"text-generation-inference"),
}
_ENV_MODEL = ("MODEL_ID", "MODEL", "MODEL_NAME", "LLAMA_ARG_MODEL", "LLAMA_ARG_HF_REPO")
_REFERENCE = re.compile(r"\$\(([A-Za-z_]\w*)\)|\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Served:
    """`model` as the engine was told: a repository, a path, an address. `flags`: those that stay, without dashes.
    `dropped`: those that do not, with the reason."""

    engine: str  # vllm, sglang, llamacpp or tgi
    model: str
    name: str
    revision: str
    file: str
    flags: Mapping[str, Any]
    dropped: Mapping[str, str]


def served(container: Mapping[str, Any]) -> Served | None:
    """None: it is no inference engine that is known here."""
    environment = {each["name"]: str(each["value"]) for each in container.get("env") or () if "value" in each}
    words = [_filled(word, environment) for word in _words(container)]
    engine = _engine(str(container.get("image", "")), words)
    if engine is None:
        return None
    position, flags = _flags(words, engine)
    model = str(flags.pop(_MODEL[engine], "") or flags.pop("hf-repo", "") or position)
    model = model or next((environment[name] for name in _ENV_MODEL if name in environment), "")
    name = next((str(flags.pop(each)) for each in _NAMES if each in flags), "")
    revision, file = str(flags.pop("revision", "")), str(flags.pop("hf-file", ""))
    dropped = {}
    for flag in list(flags):
        if why := _why_not(flag):
            dropped[flag] = why
            del flags[flag]
    return Served(engine, model, name, revision, file, flags, dropped)


def _words(container: Mapping[str, Any]) -> list[str]:
    """The command line; a shell's script as the words of its last command."""
    words = [str(each) for each in (*(container.get("command") or ()), *(container.get("args") or ()))]
    shell = len(words) > 2 and words[0].rpartition("/")[2] in ("sh", "bash") and re.fullmatch(r"-\w*c", words[1])
    if not shell:
        return words
    try:
        lexer = shlex.shlex(words[2].replace("\\\n", " "), posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        parts = list(lexer)
    except ValueError:
        return words
    commands: list[list[str]] = [[]]
    for part in parts:
        if part and set(part) <= set(";&|"):
            commands.append([])
        else:
            commands[-1].append(part)
    known = [each for each in commands if _engine("", each)]
    return (known or [[]])[-1]


def _engine(image: str, words: Sequence[str]) -> str | None:
    """The program says it; without one, the image does."""
    for engine, pattern in _PROGRAM.items():
        if any(pattern.search(word) for word in words[:4]):
            return engine
    repository = image.partition("@")[0].rsplit(":", 1)[0].casefold()
    has_program = bool(words) and not words[0].startswith("-") and "/" not in words[0]
    if (image and not has_program) or words[:1] == ["serve"]:
        return next((engine for engine, pattern in _IMAGE.items() if pattern.search(repository)), None)
    return None


def _flags(words: Sequence[str], engine: str) -> tuple[str, dict[str, Any]]:
    """What stands for itself after the program, and the options by name; one with no value is true."""
    start = next((n + 1 for n, word in enumerate(words[:4]) if _PROGRAM[engine].search(word)), 0)
    rest = list(words[start:])
    if rest[:1] == ["serve"]:
        rest = rest[1:]
    position, found = "", {}
    for name, values in _options(rest):
        if name:
            key = _SHORT.get(engine, {}).get(name, name).replace("_", "-")
            found[key] = True if not values else values[0] if len(values) == 1 else values
        elif not position:
            position = str(values[0])
    return position, found


def _options(words: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """An option with the words that follow it. A lone word before the first option has no name."""
    number = 0
    while number < len(words):
        word = words[number]
        number += 1
        if not _is_option(word):
            yield "", [word]
            continue
        name, equals, value = word.lstrip("-").partition("=")
        values = [_value(value)] if equals else []
        while not equals and number < len(words) and not _is_option(words[number]):
            values.append(_value(words[number]))
            number += 1
        yield name, values


def _is_option(word: str) -> bool:
    return bool(re.match(r"--?[A-Za-z]", word))


def _value(text: str) -> Any:
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?\d+\.\d+", text):
        return float(text)
    return {"true": True, "false": False}.get(text.casefold(), text)


def _why_not(flag: str) -> str:
    if flag in _OURS:
        return "Headway sets it"
    if flag == "api-key":
        return "keys are Headway's: headway key new"
    if flag == "trust-remote-code":
        return "code that comes with a model is never run"
    if flag in ("lora-modules", "lora"):
        return "adapters come with a later version"
    return ""


def _filled(word: str, environment: Mapping[str, str]) -> str:
    """Variables of the container, so far as their values are written."""

    def value(found: re.Match[str]) -> str:
        return environment.get(found[1] or found[2] or found[3], found[0])

    return _REFERENCE.sub(value, word)
