"""Write the generated pages: `make docs`. A test fails when they are stale."""

from __future__ import annotations

import json
from pathlib import Path

from docs.by_hand import render as render_by_hand
from headway.bench.schema_page import json_schema
from headway.bench.schema_page import render as render_bench
from headway.cli.reference import render as render_cli
from headway.sites.kubernetes.install.chart import chart_files
from headway.spec.reference import render as render_spec

if __name__ == "__main__":
    here = Path(__file__).parent
    (here / "reference.md").write_text(render_spec())
    (here / "cli.md").write_text(render_cli())
    (here / "by-hand.md").write_text(render_by_hand())
    (here / "bench-json.md").write_text(render_bench())
    (here / "bench-summary.schema.json").write_text(json.dumps(json_schema(), indent=1) + "\n")
    for name, text in chart_files().items():
        path = here.parent / "deploy" / "chart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
