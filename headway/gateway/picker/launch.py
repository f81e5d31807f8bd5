"""The picker's process tree: the gateway's hub, whose workers are the picker's.

The hub keeps the table, the engines' Signals, limits and the fair line, as for the gateway. It holds the HTTP port of
metrics; gRPC listens for itself, so the hub only keeps its port from others.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial

import uvloop

from headway.errors import UsageError
from headway.gateway.hub.admin import private_socket
from headway.gateway.hub.hub import Listen, run
from headway.gateway.hub.member import spawn
from headway.gateway.hub.ports import reserved
from headway.gateway.hub.takeover import left_behind
from headway.gateway.picker.server import Front
from headway.gateway.picker.tls import self_signed
from headway.gateway.picker.worker import words_of
from headway.gateway.settings import Settings
from headway.gateway.tls import Certificate
from headway.store.ledger_place import check_place

__all__ = ["launch"]

log = logging.getLogger("headway.gateway")

WORKER = "headway.gateway.picker.worker"


def launch(given: argparse.Namespace) -> None:
    """Until it is terminated."""
    private = given.socket or private_socket("picker", given.port)
    listen = Listen(
        given.table, given.host, given.metrics_port, private, given.workers, ledger=check_place(given.ledger)
    )
    certificate = _certificate(given, listen)
    shared = bool(left_behind(listen.board))
    with reserved(given.host, given.port, "--port", shared=shared) as taken:
        reserved(
            given.host, given.metrics_port, "--metrics-port", shared=shared
        ).close()  # the hub takes it in a moment
        front = Front(given.host, taken.getsockname()[1], given.health_port, given.fallbacks, certificate)
        log.info("picking on %s:%d (%s)", front.host, front.port, _how(given))
        start = partial(spawn, module=WORKER, more=words_of(front))
        uvloop.run(run(listen, Settings(), start))


def _certificate(given: argparse.Namespace, listen: Listen) -> Certificate | None:
    if bool(given.tls_cert) != bool(given.tls_key):
        raise UsageError("--tls-cert and --tls-key", hint="give both or neither")
    if given.plaintext and given.tls_cert:
        raise UsageError("--plaintext and --tls-cert", hint="give one of them")
    if given.plaintext:
        return None
    if not given.tls_cert:
        return self_signed(listen.socket.parent)
    pair = Certificate(given.tls_cert, given.tls_key)
    pair.check()
    return pair


def _how(given: argparse.Namespace) -> str:
    if given.plaintext:
        return "plain text"
    return f"TLS, {given.tls_cert}" if given.tls_cert else "TLS, a certificate signed by itself"
