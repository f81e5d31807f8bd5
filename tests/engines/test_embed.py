"""MiniLM by our conversion and llama-server against a plain numpy forward pass of the same weights."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import openai
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from headway.engines import builtin, registry
from headway.engines.signals import read_signals
from headway.errors import SourceError
from headway.spec.model import Model
from headway.spec.revision import Revision
from tests.support.engines import Reports, asking, get, serving

SENTENCES = [
    "A cat sits on the mat.",
    "The stock market fell by 3.5% today!",
    "Größe, naïve café — déjà vu; 東京タワー, Ωmega",
    "unbelievably antidisestablishmentarianism",
    "word " * 250,
]

Floats = NDArray[np.float32]


pytestmark = pytest.mark.usefixtures("shared_cache", "llama_server")


@pytest.fixture
def revision(shared_cache: Path) -> Revision:
    return registry.revise(Model(name="embed", source="builtin://all-minilm-l6-v2")).revision


async def test_the_engine_agrees_with_the_weights(revision: Revision) -> None:
    assert (revision.engine, revision.task) == ("embed", "embedding")
    bert = Bert(builtin.prepare(builtin.find("all-minilm-l6-v2"), Reports()))
    async with serving(revision) as program, asking(program) as client:
        answer = await client.embeddings.create(model="embed", input=SENTENCES, encoding_format="float")
    for sentence, item in zip(SENTENCES, answer.data, strict=True):
        assert float(np.dot(item.embedding, bert.embed(sentence))) > 0.999, sentence


async def test_the_official_client_in_every_shape(revision: Revision) -> None:
    async with serving(revision) as program, asking(program) as client:
        packed = await client.embeddings.create(model="embed", input=["one", "two"])  # the client asks for base64
        plain = await client.embeddings.create(model="embed", input="one", encoding_format="float")
        whole = await client.embeddings.create(model="embed", input="word " * 510)
        signals = read_signals((await get(f"{program.url}/metrics")).text)
    assert [item.index for item in packed.data] == [0, 1]
    assert len(plain.data[0].embedding) == 384
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert whole.usage.prompt_tokens == 512
    assert signals.prompt_tokens == 512 + 2 * 3 + 3
    assert signals.running == 0


async def test_an_input_that_is_too_long_is_refused_and_never_cut(revision: Revision) -> None:
    async with serving(revision) as program, asking(program) as client:
        with pytest.raises(openai.BadRequestError, match=r"513 tokens.*512"):
            await client.embeddings.create(model="embed", input="word " * 511)
        again = await client.embeddings.create(model="embed", input="still here")
    assert again.data


def test_it_is_converted_once_and_its_memory_is_said(revision: Revision) -> None:
    engine = registry.get("embed")
    first = engine.prepare(revision, Reports())
    reports = Reports()
    assert engine.prepare(revision, reports) == first
    assert reports == []
    assert 50e6 < engine.need(revision, first).memory_bytes < 150e6


def test_a_folder_is_pinned_by_its_weights(revision: Revision) -> None:
    folder = builtin.prepare(builtin.find("all-minilm-l6-v2"), Reports())
    revised = registry.revise(Model(name="embed", source=f"file://{folder}"))
    assert revised.revision.engine == "embed"
    assert revised.revision.source.digest == revision.source.digest
    assert "BertModel" in revised.derived["engine"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "roberta"}, "model_type"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
    ],
)
def test_what_is_not_of_this_class_is_refused_when_it_is_applied(
    change: dict[str, str], said: str, tmp_path: Path
) -> None:
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu"} | change
    for name, text in (("config.json", json.dumps(config)), ("vocab.txt", "[CLS]"), ("model.safetensors", "")):
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=said):
        registry.revise(Model(name="embed", source=f"file://{tmp_path}"))


def test_broken_weights_are_told_at_conversion_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu"}
    for name, text in (("config.json", json.dumps(config)), ("vocab.txt", "[CLS]"), ("model.safetensors", "no")):
        (folder / name).write_text(text)
    revision = registry.revise(Model(name="embed", source=f"file://{folder}")).revision
    with pytest.raises(SourceError, match="cannot be converted"):
        registry.get("embed").prepare(revision, Reports())
    assert [path.name for path in (tmp_path / "cache/converted").iterdir() if not path.name.endswith(".lock")] == []


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
