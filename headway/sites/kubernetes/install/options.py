"""What the person who installs may choose. Everything has a default that runs on any cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from headway.engines.own_image import own_image
from headway.errors import UsageError
from headway.sites.kubernetes.objects.network import SYSTEM
from headway.spec.fault import Fault
from headway.spec.names import check_name

__all__ = ["Installation", "ServiceType", "installation"]

ServiceType = Literal["ClusterIP", "LoadBalancer", "NodePort"]
_LEDGER = re.compile(r"secret:[a-z0-9][a-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_QUANTITY = re.compile(r"[1-9]\d*[MGT]i?", re.ASCII)
_RANGE = re.compile(r"([1-9]\d{0,2})(?:\.\.([1-9]\d{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Installation:
    """`image`: the one that all parts run (the Containerfile builds it). `operators`: one leads, the others wait.

    gateways: least and most; a least of 0 is chosen by itself: 2 to 10 with a `ledger`, and 1 without, because each
    gateway would then count budgets and limits for itself. ledger: `secret:NAME/KEY` of a PostgreSQL address. tls: a
    Secret of type kubernetes.io/tls. secrets: names of Secrets that Models with an openai source refer to. pull_secret:
    for a private registry. All of them lie in `namespace`. volume: how large a claim keeps the budgets of the one
    gateway that has no ledger, like 1Gi; without it they are forgotten with its pod.
    """

    image: str = field(default_factory=own_image)
    namespace: str = SYSTEM
    gateways: tuple[int, int] = (0, 0)
    operators: int = 1
    service: ServiceType = "ClusterIP"
    ledger: str = ""
    tls: str = ""
    secrets: tuple[str, ...] = ()
    pull_secret: str = ""
    volume: str = ""

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


def installation(
    *,
    image: str,
    namespace: str,
    gateways: str,
    operators: int,
    service: str,
    ledger: str,
    tls: str,
    secrets: tuple[str, ...],
    pull_secret: str,
    volume: str,
) -> Installation:
    """From what a person wrote, empty for what they left out. Raises UsageError."""
    if service not in get_args(ServiceType):
        raise UsageError(f"--service {service}", hint=f"use one of {', '.join(get_args(ServiceType))}")
    if ledger and not _LEDGER.fullmatch(ledger):
        raise UsageError(
            "--ledger does not name a Secret", hint="write secret:NAME/KEY; the address stands in the Secret"
        )
    if volume and not _QUANTITY.fullmatch(volume):
        raise UsageError(f"--volume {volume}", hint="write a size like 1Gi")
    if volume and ledger:
        raise UsageError("--volume and --ledger", hint="with a ledger the gateway keeps nothing itself: leave one out")
    names = {"--namespace": namespace, "--tls": tls, "--pull-secret": pull_secret}
    for option, name in [*names.items(), *(("--secret", each) for each in secrets)]:
        _checked(option, name)
    return Installation(
        image=image or own_image(),
        namespace=namespace,
        gateways=_gateways(gateways),
        operators=operators,
        service=service,  # type: ignore[arg-type]
        ledger=ledger,
        tls=tls,
        secrets=secrets,
        pull_secret=pull_secret,
        volume=volume,
    )


def _gateways(written: str) -> tuple[int, int]:
    if not written:
        return (0, 0)
    match = _RANGE.fullmatch(written)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if most < least:
        raise UsageError(f"--gateways {written}", hint="write a number or a range like 2..10")
    return least, most


def _checked(option: str, name: str) -> None:
    try:
        check_name(name or "x")
    except Fault as fault:
        raise UsageError(f"{option} {name}: {fault.message}", hint=fault.hint) from None
