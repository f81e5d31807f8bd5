"""Write the generated pages: `make docs`. A test fails when they are stale."""

from __future__ import annotations

from pathlib import Path

from headway.cli.reference import render as render_cli
from headway.spec.reference import render as render_spec

if __name__ == "__main__":
    here = Path(__file__).parent
    (here / "reference.md").write_text(render_spec())
    (here / "cli.md").write_text(render_cli())
