"""`python benchmarks/gateway` and `python -m benchmarks.gateway` are the same."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.gateway.command import main

if __name__ == "__main__":
    sys.exit(main())
