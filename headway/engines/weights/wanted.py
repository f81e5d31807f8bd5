"""Which files of all that a source holds are the model: never code, never a second copy in another format."""

from __future__ import annotations

from collections.abc import Iterable

from headway.engines import bert_to_gguf, gguf_choice
from headway.engines.vllm import chosen
from headway.errors import SourceError

__all__ = ["wanted"]


def wanted(uri: str, form: str, names: Iterable[str], file: str = "") -> tuple[str, ...]:
    """`file`: the one GGUF file that the source names. Raises SourceError with what is missing."""
    there = sorted(names)
    if form == "gguf":
        files = gguf_choice.choose(uri.removeprefix("hf://"), there, file)
        if len(files) > 1 and not file:
            raise SourceError(f"{uri}: its GGUF is split", hint=f"name the first part: {uri}/{files[0]}")
        return files
    if form == "bert":
        if missing := [name for name in bert_to_gguf.needed if name not in there]:
            raise SourceError(f"{uri} has no {missing[0]}", hint="engine embed serves MiniLM-class models")
        return tuple(name for name in (*bert_to_gguf.needed, *bert_to_gguf.optional) if name in there)
    return chosen(uri, there)
