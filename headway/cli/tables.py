"""Tables as `ls`, `status` and `explain` show them. Plain columns, so that they read well and cut well.

What others wrote (messages, sources) goes in as Text: rich would take `[…]` in a plain string for its own markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headway.cli.route import summary
from headway.cli.words import ago, duration, money, one_line, size

__all__ = [
    "apps_table",
    "decisions_table",
    "keys_table",
    "models_table",
    "plain_table",
    "replicas_table",
    "routes_table",
    "show",
    "sources",
    "tenants_table",
]

WIDE = 400

COLOURS = {
    "ready": "green",
    "degraded": "yellow",
    "preparing": "cyan",
    "starting": "cyan",
    "pending": "yellow",
    "backoff": "yellow",
    "failed": "red",
    "stopping": "dim",
    "asleep": "dim",
    "draining": "dim",
    "active": "green",
    "replaced": "yellow",
    "expired": "dim",
    "revoked": "dim",
}


def show(table: Table) -> None:
    """As wide as the terminal; into a pipe or file as wide as it needs, so that lines stay lines."""
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    written = StringIO()
    Console(file=written, width=WIDE).print(table)
    for line in written.getvalue().splitlines():
        print(line.rstrip())


def models_table(snapshot: dict[str, Any]) -> Table:
    served = "VARIANTS / SOURCE" if any(each.get("variants") for each in snapshot["models"]) else "SOURCE"
    table = plain_table("NAME", "STATE", "REPLICAS", "TASK", "ENGINE", "SINCE", served, "WHY")
    for model in snapshot["models"]:
        table.add_row(
            model["name"],
            _state(model["state"]),
            f"{model['replicas_ready']}/{model['replicas_wanted']}",
            model["task"],
            ", ".join(dict.fromkeys([each["engine"] for each in model.get("variants", ())] or [model["engine"]])),
            ago(snapshot["at"], model["since"]),
            Text(", ".join(each["name"] for each in model.get("variants", ())) or model["source"]),
            Text("" if model["state"] == "ready" else one_line(model["message"])),
        )
    return table


def apps_table(apps: list[dict[str, Any]], now: float) -> Table:
    table = plain_table("APP", "STATE", "PROGRAM", "TENANT", "SINCE", "ADDRESS", "WHY")
    for each in apps:
        table.add_row(
            each["name"],
            _state(each["state"]),
            Text(one_line(each["program"])),
            each["tenant"] or "-",
            ago(now, each["since"]),
            Text(each["address"] or "-"),
            Text("" if each["state"] == "ready" else one_line(each["message"])),
        )
    return table


def routes_table(routes: list[dict[str, Any]]) -> Table:
    table = plain_table("ROUTE", "TO", "MODELS")
    for each in routes:
        states = ", ".join(f"{name} {state}" for name, state in each["models"].items())
        table.add_row(each["name"], Text(summary(each)), Text(states))
    return table


def sources(model: dict[str, Any]) -> Iterator[str]:
    """What serves it, one line a variant."""
    if not model.get("variants"):
        yield f"{model['source']}  ({model['engine']}, {model['task']}, revision {model['revision']})"
    for each in model.get("variants", ()):
        price = each["price"]
        told = ", ".join(f"{part} {amount}" for part, amount in price.items()) if price else "no price"
        ready = f"{each['replicas_ready']}/{each['replicas_wanted']}"
        made = f"{each['engine']}, {model['task']}, revision {each['revision']}, {told}"
        yield f"variant {each['name']}  {ready}  {each['source']}  ({made})"


def replicas_table(model: dict[str, Any], now: float) -> Table:
    variants = ("VARIANT",) if model.get("variants") else ()
    nodes = any(each.get("node") for each in model["replicas"])  # of a cluster: where it is, and not as which process
    own, kind = ("NODE", "GPUS") if nodes else ("PID", "THREADS")
    names = ("REPLICA", *variants, "STATE", own, "ADDRESS", kind, "MEMORY", "RESTARTS", "SINCE", "WHY")
    table = plain_table(*names)
    for replica in model["replicas"]:
        table.add_row(
            replica["name"],
            *([replica.get("variant") or "-"] if variants else []),
            _state(replica["state"]),
            (replica["node"] or "-") if nodes else str(replica["pid"] or "-"),
            Text(replica["address"] or "-"),
            Text(", ".join(replica["gpus"]) or "-") if nodes else str(replica["threads"] or "-"),
            size(replica["memory_bytes"]) if replica["memory_bytes"] else "-",
            str(replica["restarts"]),
            ago(now, replica["since"]),
            Text("" if replica["state"] == "ready" else one_line(replica["message"])),
        )
    return table


def tenants_table(tenants: list[dict[str, Any]]) -> Table:
    table = plain_table("NAME", "KEYS", "PRIORITY", "WEIGHT", "MODELS", "LIMITS", "THIS MONTH", "BUDGETS")
    for each in tenants:
        month = each["month"]
        budgets = [f"{used['budget']} a {name}" for name in ("day", "month") if (used := each[name])["budget"]]
        table.add_row(
            each["name"],
            str(each["keys"]),
            each["priority"],
            f"{each['weight']:g}",
            Text("all" if each["models"] is None else ", ".join(each["models"])),
            ", ".join(f"{name} {amount}" for name, amount in each["limits"].items()) or "-",
            f"{month['tokens']} tokens, {money(month['micros'])}" if month["start"] else "-",
            ", ".join(budgets) or "-",
        )
    return table


def keys_table(keys: list[dict[str, Any]], now: float) -> Table:
    table = plain_table("ID", "TENANT", "NAME", "STATE", "MODELS", "CREATED", "EXPIRES")
    for each in keys:
        expires = "never" if each["expires"] is None else "-"
        if each["expires"] is not None and each["expires"] > now and each["revoked"] is None:
            expires = f"in {duration(each['expires'] - now)}"
        table.add_row(
            each["id"],
            each["tenant"],
            Text(each["name"] or "-"),
            _state(each["state"]),
            Text("all" if each["models"] is None else ", ".join(each["models"])),
            f"{ago(now, each['created'])} ago",
            expires,
        )
    return table


def decisions_table(decisions: list[dict[str, Any]], now: float) -> Table:
    table = plain_table("AGO", "OBJECT", "ACTION", "REASON", "WHY")
    for each in decisions:
        numbers = ", ".join(f"{name} {value}" for name, value in each["numbers"].items())
        why = f"{each['message']} ({numbers})" if numbers else each["message"]
        row = (ago(now, each["at"]), each["object"], each["action"], each["reason"])
        table.add_row(*row, Text(one_line(why)))
    return table


def plain_table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in ("NAME", "STATE", "PID", "REPLICA", "NODE"))
    return table


def _state(state: str) -> Text:
    return Text(state, COLOURS.get(state, ""))
