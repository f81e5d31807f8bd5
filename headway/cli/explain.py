"""`headway explain NAME|REQUEST-ID`: the story of a model or of one request, in sentences."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_any
from headway.cli.tenant import tell

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|REQUEST-ID", help="A model, a tenant, or x-request-id.", autocompletion=complete_any
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell why it is so: a model, a tenant, or a request.

    Of a model: what is wanted, what is there, what was derived and why, the last decisions with their numbers. Of a
    request: when it waited, where it was sent and why there, its first byte, its end, its tokens.
    """
    told = ControlClient().get(f"/explain/{quote(what, safe='')}")
    if as_json:
        print(json.dumps(told, indent=2))
        return
    if told["kind"] == "request":
        for line in _request(told["record"], told["replicas"]):
            print(line)
        return
    if told["kind"] == "tenant":
        tell(told["tenant"])
        if told["keys"]:
            from headway.cli.tables import keys_table  # noqa: PLC0415
            from headway.cli.tables import show as show_table  # noqa: PLC0415

            show_table(keys_table(told["keys"], time.time()))
        return
    from headway.cli.tables import decisions_table, replicas_table, show  # noqa: PLC0415

    model = told["model"]
    for line in _model(model):
        print(line)
    show(replicas_table(model, time.time()))
    if told["decisions"]:
        print("\nWhat was decided, newest first:")
        show(decisions_table(told["decisions"], time.time()))


def _model(model: dict[str, Any]) -> Iterator[str]:
    yield f"{model['name']} is {model['state']}: {model['message']}."
    if model["next_action"]:
        yield f"Next: {model['next_action']}"
    yield f"Wanted: {model['replicas_wanted']} of revision {model['revision']}, {model['source']} by {model['engine']}."
    derived = dict(model["derived"])
    for replica in model["replicas"]:
        derived |= replica["derived"]
    if derived:
        yield "What nobody wrote was derived:"
        yield from (f"  {name}: {why}" for name, why in sorted(derived.items()))


_WHY = {
    "only_one": "the only one that could take it",
    "least_cost": "the least predicted cost",
    "least_loaded": "the least loaded",
    "longest_match": "the longest known beginning of its prompt",
    "tie_drawn": "drawn among equals",
    "in_turn": "in turn",
    "all_failed_recently": "all had failed a moment ago",
}


def _why(attempt: dict[str, Any]) -> str:
    """Why this endpoint, and what each would have cost, the least first."""
    said = _WHY.get(attempt.get("why", ""), "picked")
    costs = zip(attempt.get("among", ()), attempt.get("costs", ()), strict=False)
    known = sorted((cost, endpoint.rpartition(".")[0] or endpoint) for endpoint, cost in costs if cost is not None)
    shown = ", ".join(f"{endpoint} {cost:.4g}" for cost, endpoint in known[:8])
    return f"{said} ({shown}{', …' if len(known) > 8 else ''})" if shown else said


_CACHED = {
    "hit": "answered from the cache",
    "partial": "in part from the cache",
    "miss": "not in the cache",
    "refresh": "not looked for in the cache, as its caller wished",
    "bypass": "without the cache",
}


def _cache(record: dict[str, Any]) -> str:
    """Empty where the model has no cache."""
    told = _CACHED.get(record.get("cache", ""), "")
    if note := record.get("cache_note"):
        told += f": {note}"
    if saved := record.get("saved_tokens"):
        told += f"; {saved} tokens saved"
    return told


def _request(record: dict[str, Any], replicas: dict[str, str]) -> Iterator[str]:
    kind = "stream" if record.get("stream") else "request"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["at"]))
    by = f" of tenant {record['tenant']}" if record.get("tenant") else ""
    yield f"{record['id']}: {kind}{by} to {record['path']} for {record.get('model') or 'no model'}, {when}"
    if record.get("waited"):
        yield f"  {'':>9}  held {record['waited']:.3f} s, until a replica was ready or had a place free"
    if told := _cache(record):
        yield f"  {'':>9}  {told}"
    for attempt in record.get("attempts", []):
        replica = replicas.get(attempt["endpoint"], attempt["endpoint"])
        end = f"failed: {attempt['failure']}" if attempt.get("failure") else "answered"
        yield f"  {attempt['at']:8.3f}s  sent to {replica}: {_why(attempt)}; {end}"
    if record.get("ttft") is not None:
        yield f"  {record['ttft']:8.3f}s  first byte of the answer"
    end = f"ended with error {record['error']}" if record.get("error") else "ended"
    yield f"  {record['duration']:8.3f}s  {end}, status {record['status']}"
    if record.get("completion_tokens") is not None:
        prompt, cached = record.get("prompt_tokens"), record.get("cached_tokens")
        asked = "" if prompt is None else f"{prompt} prompt tokens ({cached or 0} cached), "
        yield f"  {'':>9}  {asked}{record['completion_tokens']} completion tokens"
