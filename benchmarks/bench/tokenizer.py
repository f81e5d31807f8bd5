"""A tokenizer for tools that insist on one, made here so that nothing is fetched: words w0, w1 .. are a token each.

The files are what `transformers.PreTrainedTokenizerFast` reads. A prompt of n words has n tokens, exactly.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["make_tokenizer"]

WORDS = 3000
SPECIAL = ("[UNK]", "[PAD]", "<s>", "</s>")


def make_tokenizer(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *(f"w{number}" for number in range(WORDS))))}
    added = [
        {
            "id": index,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, word in enumerate(SPECIAL)
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "[UNK]",
        "pad_token": "[PAD]",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "model_max_length": 131_072,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
