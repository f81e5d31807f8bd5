"""Usage checked with a tokenizer of one's own, offline: do the tokens that a server bills exist?

A run keeps the text of a few requests for this. Answers must come to the same number of tokens, but for an end token
each. A prompt's usage is larger than its text, for the server wraps it in a chat template, by an amount that should be
the same for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headway.bench.record import Record
from headway.bench.schema import Finding
from headway.errors import SpecError, UsageError

__all__ = ["token_findings"]

TOKENS = 0.02
"""Of the tokens, besides one a request: text cut at another place may join to other tokens."""
TEMPLATE = 128
"""Tokens that a chat template may add to a prompt, a system prompt of its own included."""


def token_findings(records: Sequence[Record], tokenizer: Path) -> list[Finding]:
    """`tokenizer`: a tokenizer.json, or the folder that has one. Raises UsageError without the library `tokenizers`,
    SpecError for a file that is none."""
    count = _counter(tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer)
    answers = [each for each in records if each.text and each.output_tokens is not None and not each.error]
    prompts = [each for each in records if each.prompt_text and each.prompt_tokens is not None and not each.error]
    found = []
    if answers:
        found.append(_answers(count([each.text for each in answers]), [each.output_tokens or 0 for each in answers]))
    if prompts:
        counted = count([each.prompt_text for each in prompts])
        found.append(_prompts(counted, [each.prompt_tokens or 0 for each in prompts]))
    return found or [Finding("tokenizer", "no answer with both text and usage was kept to count its tokens", None)]


def _answers(counted: Sequence[int], told: Sequence[int]) -> Finding:
    ours, theirs = sum(counted), sum(told)
    bound = TOKENS * ours + len(told)
    text = f"the answers of {len(told)} requests have {ours:,} tokens by the tokenizer, {theirs:,} by usage"
    agrees = abs(theirs - ours) <= bound
    return Finding("output_tokenizer", f"{text} (bound {bound:.0f})", agrees, float(theirs), float(ours))


def _prompts(counted: Sequence[int], told: Sequence[int]) -> Finding:
    ours, theirs = sum(counted), sum(told)
    added = (theirs - ours) / len(told)
    slack = TOKENS * ours / len(told)
    text = f"the prompts of {len(told)} requests have {ours:,} tokens by the tokenizer, {theirs:,} by usage"
    agrees = -1 - slack <= added <= TEMPLATE + slack
    template = f"{added:.1f} more a request, of which a chat template may add {TEMPLATE}"
    return Finding("prompt_tokenizer", f"{text}: {template}", agrees, float(theirs), float(ours))


def _counter(path: Path) -> Callable[[list[str]], list[int]]:
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415
    except ImportError:
        hint = "pip install 'headway[bench]', or leave out --tokenizer"
        raise UsageError("counting tokens needs the library tokenizers, which is not installed", hint=hint) from None
    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        hint = "give a tokenizer.json as Hugging Face writes it"
        raise SpecError(f"no tokenizer ({error})", hint=hint, file=str(path)) from error
    return lambda texts: [len(each.ids) for each in tokenizer.encode_batch(texts, add_special_tokens=False)]
