"""A tenant in sentences, for `status` and `explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from headway.cli.words import money, plural

__all__ = ["tell"]

LIMITS = {"rpm": "requests a minute", "tpm": "tokens a minute", "parallel": "requests at once"}


def tell(tenant: dict[str, Any], *, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps(tenant, indent=2))
        return
    for line in _lines(tenant):
        print(line)


def _lines(tenant: dict[str, Any]) -> Iterator[str]:
    keys = plural(tenant["keys"], "valid key")
    yield f"{tenant['name']}  tenant, priority {tenant['priority']}, weight {tenant['weight']:g}, {keys}"
    if tenant["members"]:
        yield f"members: {', '.join(tenant['members'])}"
    yield f"models: {'all' if tenant['models'] is None else ', '.join(tenant['models'])}"
    limits = [f"{amount} {LIMITS[name]}" for name, amount in tenant["limits"].items()]
    yield f"limits: {', '.join(limits) or 'none'}"
    for period in ("day", "month"):
        used = tenant[period]
        if not used["start"]:  # of a cluster: its gateways' ledger knows
            continue
        spent = f"{plural(used['requests'], 'request')}, {used['tokens']} tokens, {money(used['micros'])}"
        left = ""
        if used["budget"]:
            rest = money(used["left"]) if used["unit"] == "micros" else f"{used['left']} tokens"
            left = f"; {rest} left of {used['budget']}"
        yield f"this {period} (since {used['start']} UTC): {spent}{left}"
    if not tenant["keys"]:
        yield f"next: headway key new {tenant['name']}"
