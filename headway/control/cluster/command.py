"""The command line of `headway gateway --cluster` and `headway picker --cluster`: what is theirs, and the rest is the
gateway's or the picker's own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from headway.control.cluster.process import Follow, run
from headway.control.settings import ControlSettings, Program
from headway.errors import UsageError
from headway.paths import StateDir
from headway.sites.kubernetes.keys import SECRET

__all__ = ["gateway", "picker"]


def gateway(argv: Sequence[str]) -> int:
    """`argv` with its --cluster. Returns the exit status."""
    from headway.gateway.__main__ import parser  # noqa: PLC0415

    mine = _parser("gateway", 8484, "Serve the Models of the cluster; all options of `headway gateway` besides.")
    mine.add_argument("--keys", default=SECRET, help=f"the Secret that keeps the hashes of keys ({SECRET})")
    mine.add_argument("--site", default="kubernetes", help="whose profiles of Models count (kubernetes)")
    given, rest = mine.parse_known_args(argv)
    said = _checked(parser(), rest)
    state = StateDir.default()
    settings = _settings(given, state, (*rest, "--heard", str(state.heard)), program="headway.gateway")
    return run(settings, Follow(given.context, given.namespace, keys=given.keys, site=given.site, ledger=said.ledger))


def picker(argv: Sequence[str]) -> int:
    from headway.gateway.picker.__main__ import parser  # noqa: PLC0415

    mine = _parser("picker", 9002, "Pick among the engines of a namespace; all options of `headway picker` besides.")
    mine.add_argument("--model", default="", help="only this Model's (all of the namespace if left out)")
    given, rest = mine.parse_known_args(argv)
    _checked(parser(), rest)
    settings = _settings(given, StateDir.default(), tuple(rest), program="headway.gateway.picker")
    return run(settings, Follow(given.context, given.namespace, model=given.model))


def _parser(part: str, port: int, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"headway {part} --cluster",
        description=description,
        epilog=f"docs/gateway-cluster.md tells what it needs and does. The others: headway {part} --help.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--cluster", action="store_true", required=True, help="follow the API server of a Kubernetes cluster")
    add("--namespace", default="", help="of Tenants and keys, or of the pool (the pod's own if left out)")
    add("--context", default="", help="of the kubeconfig, outside of a pod (the current one if left out)")
    add("--host", default="0.0.0.0", help="0.0.0.0 if left out; `::` where pods have IPv6 addresses")  # noqa: S104
    add("--port", type=int, default=port)
    add("--workers", type=int, default=1, help="processes that share the port; about one a core")
    return parser


def _checked(parser: argparse.ArgumentParser, rest: Sequence[str]) -> argparse.Namespace:
    """The part's own options: what is wrong ends it here, with the usual words. Raises UsageError."""
    said = parser.parse_args(["--table", "-", *rest])
    if str(said.table) != "-" or said.socket or getattr(said, "requests", ""):
        raise UsageError(
            "--table, --socket and --requests are chosen by --cluster", hint="their folder is HEADWAY_STATE_DIR"
        )
    return said


def _settings(
    given: argparse.Namespace, state: StateDir, options: tuple[str, ...], *, program: Program
) -> ControlSettings:
    return ControlSettings(
        state,
        given.host,
        given.port,
        gateway_workers=given.workers,
        gateway_options=options,
        gateway_program=program,
        gateway_says_here=True,
    )
