"""`python -m headway.perf.fit DATA [--check] [--out FILE]`: fit the constants, or tell by how much they miss.

DATA is the folder that has `e2e_measured.csv` and `ops/` (or `perf/` with them). Without `--check` the constants are
fitted, the bands found by leaving rows out, and both written; minutes. With `--check` only the tables are printed, of
the same rows left out in the same way.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from headway.errors import HeadwayError
from headway.perf.constants import Bands, Constants, constants
from headway.perf.fit.check import Left, left_out
from headway.perf.fit.engines import fitted, relays
from headway.perf.fit.older import older
from headway.perf.fit.operations import carried, operations
from headway.perf.fit.parameters import Parameter, informed
from headway.perf.fit.rows import Sample, samples
from headway.perf.fit.spreads import spreads
from headway.perf.fit.tables import tables, told_of

SOURCE = "aiconfigurator's silicon_sample.csv at 095f58a51c4c (InferenceMAX 2025-10 to 2026-04, NVIDIA), H100 and H200"
OUT = Path(__file__).parents[1] / "data" / "constants.json"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m headway.perf.fit", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--check", action="store_true", help="print the cross-validated errors, write nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="the file of constants; left out: the package's own")
    asked = parser.parse_args(arguments)
    try:
        found = samples(asked.data, constants())
        known = operations(asked.data)
        by, left = _fit(found, informed(known))
    except HeadwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for line in (*told_of(known, carried(asked.data), older(asked.data, by)), "", *tables(left, by)):
        print(line)
    if not asked.check:
        asked.out.write_bytes(msgspec.json.format(msgspec.json.encode(by), indent=1) + b"\n")
        print(f"written: {asked.out}")
    return 0


def _fit(found: Sequence[Sample], parameters: Sequence[Parameter]) -> tuple[Constants, list[Left]]:
    base = constants()
    whole = fitted(found, base, parameters)
    by = relays(found, whole.constants)
    left = list(left_out(found, base, parameters, whole.logs))
    bands = Bands(
        spreads=spreads(left),
        models=tuple(sorted({each.model for each in found})),
        accelerators=tuple(sorted({each.accelerator for each in found})),
        generations=tuple(sorted({each.settings[0].accelerator.generation for each in found})),
    )
    today = datetime.now(UTC).date().isoformat()
    return replace(by, source=SOURCE, date=today, rows=len(found), bands=bands), left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
