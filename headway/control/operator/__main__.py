"""`headway operator`: the lease, then the loop; /healthz, /readyz and /metrics beside them."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys

from headway.control.operator.lease import Terms
from headway.control.operator.process import run
from headway.control.operator.settings import OperatorSettings
from headway.errors import HeadwayError, UsageError
from headway.sites.kubernetes.labels import SYSTEM
from headway.spec.fault import Fault
from headway.spec.units import parse_duration

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    level = logging.DEBUG if given.verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s operator %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return asyncio.run(run(_settings(given), given.context))
    except HeadwayError as error:
        print(f"headway operator: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headway operator", description="Serve the Models of a cluster: what its objects ask for is what runs."
    )
    add = parser.add_argument
    add("--context", default="", help="of the kubeconfig (inside a pod its service account is used)")
    add("--namespace", default=os.environ.get("POD_NAMESPACE", SYSTEM), help=f"Headway's own ({SYSTEM})")
    add("--site", default="kubernetes", help="the Site's name, for the `profiles` of Models (kubernetes)")
    add(
        "--identity",
        default=os.environ.get("POD_NAME", ""),
        help="who holds the lease (the pod's name, or host and pid)",
    )
    add("--lease", default="2m", help="how long the lease holds when its holder's node is gone (2m)")
    add("--host", default="0.0.0.0", help="of the port below")  # noqa: S104
    add("--port", type=int, default=8486, help="/healthz, /readyz and /metrics; 0 = none (8486)")
    add("--scaler-port", type=int, default=0, help="KEDA's external scaler (gRPC); 0 = none")
    add("--workers", type=int, default=16, help="passes at a time (16)")
    add("--verbose", action="store_true", help="say more")
    return parser


def _settings(given: argparse.Namespace) -> OperatorSettings:
    try:
        lease = parse_duration(given.lease)
    except Fault as fault:
        raise UsageError(f"--lease {given.lease}: {fault.message}", hint=fault.hint) from None
    if lease < 2:
        raise UsageError(f"--lease {given.lease}", hint="write 2s or more, like 2m")
    return OperatorSettings(
        identity=given.identity or f"{socket.gethostname()}-{os.getpid()}",
        namespace=given.namespace,
        site=given.site,
        host=given.host,
        port=given.port,
        scaler_port=given.scaler_port,
        terms=Terms(lease),
        workers=max(1, given.workers),
    )


if __name__ == "__main__":
    sys.exit(main())
