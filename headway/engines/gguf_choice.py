"""Which of a repository's GGUF files is meant: the named one, else the only one, else Q4_K_M."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

from headway.errors import SourceError

__all__ = ["PREFERRED", "choose", "parts"]

PREFERRED = "Q4_K_M"
"""The usual compromise of size and quality; what llama.cpp itself takes when nothing is said."""

MOST_SHOWN = 12

_PART = re.compile(r"(.+)-\d{5}-of-\d{5}\.gguf")


def choose(repo: str, files: Iterable[str], wanted: str = "") -> tuple[str, ...]:
    """The file, or all parts of a split one in order; the server is given the first. Raises SourceError with
    what there is."""
    models: dict[str, list[str]] = {}
    for file in sorted(files):
        if file.endswith(".gguf") and not file.rpartition("/")[2].startswith("mmproj"):
            split = _PART.fullmatch(file)
            models.setdefault(split[1] if split else file, []).append(file)
    if wanted:
        chosen = [parts for name, parts in models.items() if wanted == name or wanted in parts]
        problem = f"hf://{repo} has no file {wanted!r}"
    else:
        preferred = [parts for name, parts in models.items() if PREFERRED in name.upper()]
        chosen = list(models.values()) if len(models) == 1 else preferred
        problem = (
            f"hf://{repo} has several GGUF files and not one {PREFERRED}" if models else f"hf://{repo} has no GGUF file"
        )
    if len(chosen) == 1:
        return tuple(chosen[0])
    shown = [parts[0] for parts in models.values()]
    more = f" and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    there = ", ".join(shown[:MOST_SHOWN]) + more
    raise SourceError(
        problem, hint=f"name one: hf://{repo}/FILE of {there}" if shown else "engine vllm serves safetensors"
    )


def parts(first: Path) -> list[Path]:
    """The files of which this is the first: itself, or all parts of a split one that lie beside it."""
    split = _PART.fullmatch(first.name)
    return sorted(first.parent.glob(f"{glob.escape(split[1])}-*-of-*.gguf")) if split else [first]
