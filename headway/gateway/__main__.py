"""`python -m headway.gateway`: one gateway worker. It imports no more than it needs: it is on the cold-start
path."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import uvloop

from headway.errors import HeadwayError
from headway.gateway.settings import Settings
from headway.gateway.worker import Listen, run

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="headway gateway", description="Serve the models of a routing table.")
    parser.add_argument("--table", type=Path, required=True, help="the routing table (JSON), followed as it changes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8484, help="0 = a free one")
    parser.add_argument("--socket", type=Path, required=True, help="UNIX socket for /stats and /records")
    parser.add_argument("--worker", type=int, default=0, help="number of this worker, for its log lines")
    parser.add_argument("--shared", action="store_true", help="other workers listen on this port already")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s gateway-{given.worker} %(levelname)s %(message)s")
    listen = Listen(given.table, given.host, given.port, given.socket, given.shared)
    try:
        uvloop.run(run(listen, Settings()))
    except HeadwayError as error:
        print(f"headway gateway: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
