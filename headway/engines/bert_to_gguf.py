"""Converts a BERT sentence embedder from safetensors to GGUF: `python -m headway.engines.bert_to_gguf FOLDER
OUT`.

Matrices become Q8_0 (a quarter of the size, quicker on a CPU, vectors equal to a cosine of 0.999 and better),
biases, norms and positions stay 32-bit. The WordPiece vocabulary is turned into the form that llama.cpp's
`bert` tokenizer wants: a piece that begins a word is marked with U+2581, one that continues a word loses its
`##`. It runs as a program of its own, so that numpy is not loaded into the control process.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["check", "convert", "main", "needed", "optional"]

needed = ("model.safetensors", "config.json", "vocab.txt")
optional = ("tokenizer_config.json", "1_Pooling/config.json")

WORD_BEGINS = "\u2581"
SPECIAL = re.compile(r"\[(PAD|UNK|CLS|SEP|MASK|unused\d+)\]")
POOLING = {"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2}

TENSORS = {
    r"embeddings\.word_embeddings\.weight": "token_embd.weight",
    r"embeddings\.position_embeddings\.weight": "position_embd.weight",
    r"embeddings\.token_type_embeddings\.weight": "token_types.weight",
    r"embeddings\.LayerNorm\.(weight|bias)": r"token_embd_norm.\1",
    r"encoder\.layer\.(\d+)\.attention\.self\.query\.(weight|bias)": r"blk.\1.attn_q.\2",
    r"encoder\.layer\.(\d+)\.attention\.self\.key\.(weight|bias)": r"blk.\1.attn_k.\2",
    r"encoder\.layer\.(\d+)\.attention\.self\.value\.(weight|bias)": r"blk.\1.attn_v.\2",
    r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(weight|bias)": r"blk.\1.attn_output.\2",
    r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(weight|bias)": r"blk.\1.attn_output_norm.\2",
    r"encoder\.layer\.(\d+)\.intermediate\.dense\.(weight|bias)": r"blk.\1.ffn_up.\2",
    r"encoder\.layer\.(\d+)\.output\.dense\.(weight|bias)": r"blk.\1.ffn_down.\2",
    r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(weight|bias)": r"blk.\1.layer_output_norm.\2",
}
UNUSED = re.compile(r"pooler\.|embeddings\.position_ids|cls\.")
KEPT_WHOLE = re.compile(r"norm|position_embd|token_types|bias")


def check(config: dict[str, Any], tokenizer: dict[str, Any]) -> str:
    """Why this model cannot be converted; empty when it can."""
    if config.get("model_type") != "bert":
        return f"model_type is {config.get('model_type')!r}, not 'bert'"
    if config.get("position_embedding_type", "absolute") != "absolute":
        return f"position_embedding_type is {config['position_embedding_type']!r}, not 'absolute'"
    if config.get("hidden_act") != "gelu":
        return f"hidden_act is {config.get('hidden_act')!r}, not 'gelu'"
    if not tokenizer.get("do_lower_case", True):
        return "its tokenizer keeps upper case, which llama.cpp's does not"
    return ""


def convert(folder: Path, out: Path) -> None:
    """Raises ValueError with the reason when the model is not of this kind."""
    import gguf  # noqa: PLC0415 - the parent imports this module for `check` alone

    config = _json(folder / "config.json")
    if problem := check(config, _json(folder / "tokenizer_config.json")):
        raise ValueError(problem)
    writer = gguf.GGUFWriter(out, "bert")
    _add_shape(writer, config, _json(folder / "1_Pooling/config.json"))
    _add_vocabulary(writer, (folder / "vocab.txt").read_text(encoding="utf-8").splitlines())
    _add_tensors(writer, folder / "model.safetensors")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: dict[str, Any], pooling: dict[str, Any]) -> None:
    writer.add_name(str(config.get("_name_or_path") or "embedder"))
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    modes = [number for name, number in POOLING.items() if pooling.get(name)]
    if pooling and len(modes) != 1:
        raise ValueError("its pooling is neither the mean of all tokens nor the first one's vector")
    writer.add_uint32("bert.pooling_type", modes[0] if modes else POOLING["pooling_mode_mean_tokens"])


def _add_vocabulary(writer: Any, vocabulary: list[str]) -> None:
    from gguf import TokenType  # noqa: PLC0415

    tokens, types = [], []
    for piece in vocabulary:
        special = SPECIAL.fullmatch(piece)
        types.append(TokenType.CONTROL if special else TokenType.NORMAL)
        tokens.append(piece if special else piece[2:] if piece.startswith("##") else WORD_BEGINS + piece)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_type_count(2)
    ids = {piece: number for number, piece in enumerate(vocabulary)}
    try:
        writer.add_unk_token_id(ids["[UNK]"])
        writer.add_pad_token_id(ids["[PAD]"])
        writer.add_mask_token_id(ids["[MASK]"])
        writer.add_bos_token_id(ids["[CLS]"])
        writer.add_eos_token_id(ids["[SEP]"])
        writer.add_sep_token_id(ids["[SEP]"])
    except KeyError as missing:
        raise ValueError(f"its vocabulary has no {missing}") from missing


def _add_tensors(writer: Any, path: Path) -> None:
    import numpy as np  # noqa: PLC0415
    from gguf import GGMLQuantizationType, quants  # noqa: PLC0415
    from safetensors import safe_open  # noqa: PLC0415

    with safe_open(path, framework="numpy") as tensors:
        for source in tensors.keys():  # noqa: SIM118 - it is not a mapping
            name = _name(source.removeprefix("bert."))
            if not name:
                continue
            values = tensors.get_tensor(source).astype(np.float32)
            if KEPT_WHOLE.search(name):
                writer.add_tensor(name, values)
            else:
                small = quants.quantize(values, GGMLQuantizationType.Q8_0)
                writer.add_tensor(name, small, raw_dtype=GGMLQuantizationType.Q8_0)


def _name(source: str) -> str:
    for pattern, name in TENSORS.items():
        if found := re.fullmatch(pattern, source):
            return found.expand(name)
    if UNUSED.match(source):
        return ""
    raise ValueError(f"it has a tensor that a BERT encoder has not: {source}")


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def main(argv: list[str]) -> int:
    try:
        convert(Path(argv[0]), Path(argv[1]))
    except (ValueError, OSError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
