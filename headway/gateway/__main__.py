"""`python -m headway.gateway`: the gateway, alone or under the control process. It imports no more than it needs: it
is on the cold-start path."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import uvloop

from headway.errors import HeadwayError, UsageError
from headway.gateway.hub.admin import private_socket
from headway.gateway.hub.hub import Listen, run
from headway.gateway.hub.otlp import collector
from headway.gateway.settings import Settings
from headway.gateway.tls import Certificate
from headway.store.ledger_place import LEDGER_HELP, check_place

__all__ = ["main", "parser"]


def main(argv: list[str] | None = None) -> int:
    given = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s gateway %(levelname)s %(message)s")
    try:
        socket = given.socket or private_socket("gateway", given.port)
        listen = Listen(
            given.table,
            given.host,
            given.port,
            socket,
            given.workers,
            _certificate(given),
            check_place(given.ledger),
            _request_log(given.requests, socket),
            _share("--sample", given.sample),
            collector(given.otlp, os.environ),
            _share("--trace-sample", given.trace_sample),
            _settings(given.settings),
            given.heard,
        )
        uvloop.run(run(listen, Settings()))
    except HeadwayError as error:
        print(f"headway gateway: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headway gateway",
        description="Serve the models of a routing table.",
        epilog="In a Kubernetes cluster: headway gateway --cluster --help.",
    )
    parser.add_argument("--table", type=Path, required=True, help="the routing table (JSON), followed as it changes")
    parser.add_argument("--settings", type=Path, help="limits and deadlines (YAML), followed as they change")
    parser.add_argument("--heard", type=Path, help=argparse.SUPPRESS)  # of headway gateway --cluster
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8484, help="0 = a free one")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port; about one a core")
    parser.add_argument("--socket", type=Path, help="UNIX socket for /stats and /records (a private one if left out)")
    parser.add_argument(
        "--tls-cert", type=Path, help="PEM file of the certificate and its chain, followed as it changes"
    )
    parser.add_argument("--tls-key", type=Path, help="PEM file: its key")
    parser.add_argument("--ledger", default="", help=LEDGER_HELP)
    parser.add_argument(
        "--requests", default="", help="SQLite file of requests that ended, or `none` (beside the socket if left out)"
    )
    parser.add_argument(
        "--sample", default="1%", help="of the requests that are neither few, slow nor failed, how many to log (1%%)"
    )
    parser.add_argument(
        "--otlp", default="", help="send traces to this OTLP/HTTP collector (OTEL_EXPORTER_OTLP_ENDPOINT if left out)"
    )
    parser.add_argument(
        "--trace-sample", default="10%", help="of the requests whose callers do not say, how many to trace (10%%)"
    )
    return parser


def _request_log(given: str, socket: Path) -> Path | None:
    if given == "none":
        return None
    return Path(given) if given else socket.with_suffix(".requests")


def _settings(path: Path | None) -> Path | None:
    """Wrong at the start they are an error; later what is in use stays."""
    if path is not None:
        from headway.gateway.tuning import read_settings  # noqa: PLC0415

        read_settings(path)
    return path


def _share(option: str, given: str) -> float:
    try:
        share = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"{option} {given}", hint="write a share like 1% or 0.01, from 0 to 100%")
    return share


def _certificate(given: argparse.Namespace) -> Certificate | None:
    if bool(given.tls_cert) != bool(given.tls_key):
        raise UsageError("--tls-cert and --tls-key", hint="give both or neither")
    return Certificate(given.tls_cert, given.tls_key) if given.tls_cert else None


if __name__ == "__main__":
    sys.exit(main())
