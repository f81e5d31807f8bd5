"""`headway picker`: the hub of the gateway with workers that a data plane asks."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
from pathlib import Path

from headway.errors import HeadwayError, UsageError
from headway.store.ledger_place import LEDGER_HELP

__all__ = ["main", "parser"]

_NEEDS = ("grpc", "google.protobuf", "cryptography")


def main(argv: list[str] | None = None) -> int:
    given = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s picker %(levelname)s %(message)s")
    try:
        _check_parts()
        from headway.gateway.picker.launch import launch  # noqa: PLC0415 (--help and the check above need none of it)

        launch(given)
    except HeadwayError as error:
        print(f"headway picker: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def _check_parts() -> None:
    for name in _NEEDS:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise UsageError(f"the picker needs {name}, which is not installed", hint="pip install 'headway[picker]'")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headway picker",
        description="Pick endpoints for Envoy and other gateways (Gateway API Inference Extension, ext_proc).",
        epilog="docs/picker.md has a configuration of Envoy that works, and what each gateway needs.",
    )
    add = parser.add_argument
    add("--table", type=Path, required=True, help="the routing table (JSON), followed as it changes")
    add("--host", default="127.0.0.1", help="0.0.0.0 for callers on other machines")
    add("--port", type=int, default=9002, help="of gRPC; 0 = a free one")
    add("--metrics-port", type=int, default=9090, help="of HTTP: /metrics, /healthz, /readyz; 0 = a free one")
    add("--health-port", type=int, default=0, help="of gRPC health without TLS, for Kubernetes (none if left out)")
    add("--tls-cert", type=Path, help="PEM file of the certificate and its chain, followed as it changes")
    add("--tls-key", type=Path, help="PEM file: its key")
    add("--plaintext", action="store_true", help="no TLS; without this and --tls-cert it signs a certificate itself")
    add(
        "--fallbacks",
        type=int,
        default=2,
        help="endpoints named behind the first, to be tried in order; 0 where a proxy takes one (ORIGINAL_DST)",
    )
    add("--workers", type=int, default=1, help="processes that share the port; about one a core")
    add("--socket", type=Path, help="UNIX socket for /stats and /records (a private one if left out)")
    add("--ledger", default="", help=LEDGER_HELP)
    return parser


if __name__ == "__main__":
    sys.exit(main())
