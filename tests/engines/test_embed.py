"""MiniLM by our conversion and llama-server against a plain numpy forward pass of the same weights."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from headway.engines import builtin, registry
from headway.engines.base import Launch, Progress, Slot
from headway.spec.model import Model
from tests.support.engines import engine_program, get

SENTENCES = [
    "A cat sits on the mat.",
    "The stock market fell by 3.5% today!",
    "Größe, naïve café — déjà vu; 東京タワー, Ωmega",
    "unbelievably antidisestablishmentarianism",
    "word " * 250,
]

Floats = NDArray[np.float32]


def quiet(_: Progress) -> None: ...


@pytest.fixture(scope="module")
def folder() -> Path:
    return builtin.prepare(builtin.find("all-minilm-l6-v2"), quiet)


async def test_the_engine_agrees_with_the_weights(folder: Path, tmp_path: Path) -> None:
    revised = registry.revise(Model(name="embed", source="builtin://all-minilm-l6-v2"))
    engine = registry.get(revised.revision.engine)
    assert (engine.name, revised.revision.task) == ("embed", "embedding")
    prepared = engine.prepare(revised.revision, quiet)

    def launch(port: int) -> Launch:
        return engine.launch(revised.revision, prepared, Slot("embed-0", "127.0.0.1", port, threads=2))

    async with engine_program(launch) as program:
        await program.ready(engine.ready_path)
        body = json.dumps({"model": "embed", "input": SENTENCES}).encode()
        answer = await get(f"{program.url}/v1/embeddings", body=body)
    assert answer.status == 200, answer.text
    bert = Bert(folder)
    for sentence, item in zip(SENTENCES, json.loads(answer.text)["data"], strict=True):
        assert float(np.dot(item["embedding"], bert.embed(sentence))) > 0.999, sentence


def test_memory_is_estimated_from_the_weights() -> None:
    revised = registry.revise(Model(name="embed", source="builtin://all-minilm-l6-v2"))
    engine = registry.get("embed")
    need = engine.need(revised.revision, engine.prepare(revised.revision, quiet))
    assert 50e6 < need.memory_bytes < 200e6


class Bert:
    """The forward pass of BERT (Devlin et al. 2018) with mean pooling and unit length, in float32."""

    def __init__(self, folder: Path) -> None:
        self.weights = load_file(folder / "model.safetensors")
        self.config = json.loads((folder / "config.json").read_text())
        words = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.places = {word: index for index, word in enumerate(words)}

    def embed(self, text: str) -> Floats:
        tokens = [self.places["[CLS]"], *self.tokens(text), self.places["[SEP]"]]
        x = self.weights["embeddings.word_embeddings.weight"][tokens]
        x = x + self.weights["embeddings.position_embeddings.weight"][: len(tokens)]
        x = self.norm(x + self.weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            x = self.layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        found: Floats = mean / np.linalg.norm(mean)
        return found

    def layer(self, x: Floats, name: str) -> Floats:
        heads = self.config["num_attention_heads"]
        q, k, v = (
            self.linear(x, f"{name}.attention.self.{part}").reshape(len(x), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        x = self.norm(x + self.linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = gelu(self.linear(x, f"{name}.intermediate.dense"))
        return self.norm(x + self.linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def linear(self, x: Floats, name: str) -> Floats:
        found: Floats = x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return found

    def norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.config["layer_norm_eps"])
        found: Floats = scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return found

    def tokens(self, text: str) -> list[int]:
        """WordPiece, uncased: accents off, punctuation and CJK apart, the longest piece first."""
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        apart = "".join(f" {c} " if is_punctuation(c) or "\u4e00" <= c <= "\u9fff" else c for c in plain)
        return [place for word in apart.split() for place in self.pieces(word)]

    def pieces(self, word: str) -> list[int]:
        found, begin = [], 0
        while begin < len(word):
            head = "##" if begin else ""
            ends = range(len(word), begin, -1)
            end = next((end for end in ends if head + word[begin:end] in self.places), None)
            if end is None:
                return [self.places["[UNK]"]]
            found.append(self.places[head + word[begin:end]])
            begin = end
        return found


def gelu(x: Floats) -> Floats:
    from math import erf  # noqa: PLC0415

    found: Floats = 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))
    return found


def is_punctuation(c: str) -> bool:
    return unicodedata.category(c).startswith("P") or c in "$+<=>^`|~"
