"""BERT-class sentence embedders (safetensors) to GGUF: `python -m headway.engines.bert_to_gguf FOLDER OUT.gguf`.

A program of its own, so that numpy stays out of the control process. The layout is what llama.cpp's `bert` architecture
reads: WordPiece tokens with a leading U+2581 where a word begins and without `##` where it goes on; matrices as Q8_0 (cosine to the float32 model above 0.999, half the memory of float16), all else as float32.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

__all__ = ["convert"]

WORD_BEGINS = "\u2581"
SPECIAL = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
POOLING = {
    "pooling_mode_mean_tokens": gguf.PoolingType.MEAN,
    "pooling_mode_cls_token": gguf.PoolingType.CLS,
}
LEFT_OUT = ("embeddings.position_ids", "pooler.")
KEPT_FLOAT = ("position_embd", "token_types")


def convert(folder: Path, out: Path, name: str) -> None:
    """Raises ValueError for a model that is not of this class."""
    config = json.loads((folder / "config.json").read_text())
    if config.get("model_type") != "bert":
        raise ValueError(f"model_type is {config.get('model_type')!r}, not 'bert'")
    writer = gguf.GGUFWriter(out, "bert")
    writer.add_name(name)
    _facts(writer, config, _pooling(folder))
    _words(writer, folder, config["vocab_size"])
    for tensor, values in _tensors(folder, config["num_hidden_layers"]):
        _add(writer, tensor, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _facts(writer: gguf.GGUFWriter, config: dict[str, Any], pooling: gguf.PoolingType) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _pooling(folder: Path) -> gguf.PoolingType:
    told = json.loads((folder / "1_Pooling" / "config.json").read_text())
    for key, kind in POOLING.items():
        if told.get(key):
            return kind
    raise ValueError("1_Pooling/config.json names neither mean nor CLS pooling")


def _words(writer: gguf.GGUFWriter, folder: Path, size: int) -> None:
    written = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    if len(written) != size:
        raise ValueError(f"vocab.txt has {len(written)} tokens, config.json says {size}")
    place = {token: index for index, token in enumerate(written)}
    special = {place[token]: token for token in SPECIAL.values()}
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("bert-bge")
    writer.add_token_type_count(2)
    writer.add_token_list(
        [token if index in special else _as_llama_has_it(token) for index, token in enumerate(written)]
    )
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([control if index in special else normal for index in range(size)])
    writer.add_unk_token_id(place[SPECIAL["unk"]])
    writer.add_sep_token_id(place[SPECIAL["sep"]])
    writer.add_pad_token_id(place[SPECIAL["pad"]])
    writer.add_mask_token_id(place[SPECIAL["mask"]])
    writer.add_bos_token_id(place[SPECIAL["cls"]])
    writer.add_eos_token_id(place[SPECIAL["sep"]])


def _as_llama_has_it(token: str) -> str:
    return token.removeprefix("##") if token.startswith("##") else WORD_BEGINS + token


def _tensors(folder: Path, layers: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, layers)
    with safe_open(folder / "model.safetensors", "np") as file:
        for found in file.keys():  # noqa: SIM118 - no mapping
            plain = found.removeprefix("bert.")
            if plain.startswith(LEFT_OUT):
                continue
            name = names.get_name(plain, try_suffixes=(".weight", ".bias"))
            if name is None:
                raise ValueError(f"unknown tensor {found}")
            yield name, np.asarray(file.get_tensor(found), dtype=np.float32)


def _add(writer: gguf.GGUFWriter, name: str, values: NDArray[np.float32]) -> None:
    if values.ndim < 2 or name.startswith(KEPT_FLOAT):
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"error: {error}")
