"""Run the commands that pages show and put their output there: `python -m docs.outputs`.

A block between `<!-- out: headway ... -->` and `<!-- end -->` is what that command prints now, run from the root of the
project; `<!-- table -->` has what `python -m benchmarks.plan` prints. Not a part of `make docs`: figures follow the
constants of the model of performance, and whoever changes those reads what changed.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

from benchmarks.plan import main as plan_table
from headway.cli.main import main

PAGES = ("plan.md",)
OUT = re.compile(r"<!-- out: (.*?) -->\n.*?<!-- end -->", re.DOTALL)
TABLE = re.compile(r"<!-- table -->\n.*?<!-- end -->", re.DOTALL)


def ran(command: str) -> str:
    shown = io.StringIO()
    sys.argv = shlex.split(command)
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main()
    return f"<!-- out: {command} -->\n```console\n$ {command}\n{shown.getvalue()}```\n<!-- end -->"


def table() -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        plan_table()
    rows, _, times = shown.getvalue().strip().partition("\n\n")
    sys.stderr.write(times + "\n")
    return f"<!-- table -->\n{rows}\n<!-- end -->"


if __name__ == "__main__":
    for name in PAGES:
        page = Path(__file__).parent / name
        text = OUT.sub(lambda found: ran(found[1]), page.read_text())
        page.write_text(TABLE.sub(lambda _: table(), text))
