"""The parts of benchmarks/README.md that a program writes: between `<!-- NAME -->` and `<!-- /NAME -->`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway.process import BenchError

__all__ = ["replaced", "write_part"]

README = Path(__file__).resolve().parents[1] / "README.md"


def write_part(name: str, text: str) -> None:
    README.write_text(replaced(README.read_text(), name, text))


def replaced(page: str, name: str, text: str) -> str:
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(opening)
    _, ended, after = rest.partition(closing)
    if not found or not ended:
        raise BenchError(
            f"benchmarks/README.md has no {opening} … {closing}; put the two lines where the table belongs"
        )
    return f"{before}{opening}\n{text.strip()}\n{closing}{after}"
