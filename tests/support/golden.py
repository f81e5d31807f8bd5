"""Texts that stand in the project as they should be: a change shows in the diff. `WRITE_GOLDEN=1` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["golden"]


def golden(path: Path, text: str) -> None:
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is not there: WRITE_GOLDEN=1 writes it"
    assert text == path.read_text(), f"{path.name} is not what is derived now; if it should be so: WRITE_GOLDEN=1"
