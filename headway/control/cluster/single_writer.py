"""A ledger that is a file is one gateway's own. Where several gateways have one each, limits hold for each of them, and
that is said as long as it is so: Kubernetes does not keep a second gateway away, an install does (one Replica)."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from headway.gateway.table import TenantRule
from headway.wire.kube.manifest import Manifest

__all__ = ["SERVICE", "SingleWriter", "gateways_of"]

log = logging.getLogger(__name__)

SERVICE = "headway-gateway"


class SingleWriter:
    """`shared`: the ledger is one that gateways share."""

    def __init__(self, shared: bool) -> None:
        self._shared = shared
        self._said = ""

    def look(self, gateways: int, tenants: Iterable[TenantRule]) -> None:
        """Says it once, and again when it changes."""
        limited = sorted(each.name for each in tenants if _is_limited(each))
        fault = ""
        if gateways > 1 and limited and not self._shared:
            names = ", ".join(limited[:5]) + (f" and {len(limited) - 5} more" if len(limited) > 5 else "")
            fault = (
                f"{gateways} gateways run, and the ledger of each is a file: limits and budgets of {names} count for "
                "each of them; give them one PostgreSQL with --ledger (docs/ledger.md), or run one gateway"
            )
        if fault and fault != self._said:
            log.error("%s", fault)
        self._said = fault


def gateways_of(slices: Iterable[Manifest]) -> int:
    """Pods of the gateways' Service that answer or are ending, which still settle."""
    pods = {
        (endpoint.get("targetRef") or {}).get("uid") or endpoint["addresses"][0]
        for each in slices
        for endpoint in each.get("endpoints") or ()
    }
    return len(pods)


def _is_limited(rule: TenantRule) -> bool:
    limits = (rule.rpm, rule.tpm, rule.parallel, rule.day_tokens, rule.day_micros, rule.month_tokens, rule.month_micros)
    return any(each is not None for each in limits)
