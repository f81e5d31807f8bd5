"""What the person who installs may choose. Everything has a default that runs on any cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import headway
from headway.sites.kubernetes.objects.network import SYSTEM

__all__ = ["Installation", "ServiceType"]

ServiceType = Literal["ClusterIP", "LoadBalancer", "NodePort"]


@dataclass(frozen=True, slots=True)
class Installation:
    """`image`: the one that all parts run (the Containerfile builds it). `operators`: one leads, the others wait.

    gateways: least and most; a least of 0 is chosen by itself: 2 to 10 with a `ledger`, and 1 without, because each
    gateway would then count budgets and limits for itself. ledger: `secret:NAME/KEY` of a PostgreSQL address. tls: a
    Secret of type kubernetes.io/tls. secrets: names of Secrets that Models with an openai source refer to. pull_secret:
    for a private registry. All of them lie in `namespace`.
    """

    image: str = f"headway:{headway.__version__}"
    namespace: str = SYSTEM
    gateways: tuple[int, int] = (0, 0)
    operators: int = 1
    service: ServiceType = "ClusterIP"
    ledger: str = ""
    tls: str = ""
    secrets: tuple[str, ...] = ()
    pull_secret: str = ""

    @property
    def gateway_range(self) -> tuple[int, int]:
        if self.gateways[0]:
            return self.gateways
        return (2, 10) if self.ledger else (1, 1)

    @property
    def mounted_secrets(self) -> tuple[str, ...]:
        """Which the gateway reads as files, by name, so that it needs no right to read Secrets."""
        ledger = (self.ledger.removeprefix("secret:").partition("/")[0],) if self.ledger else ()
        return tuple(dict.fromkeys((*ledger, *self.secrets)))
