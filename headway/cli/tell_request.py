"""One request told in lines, in the order in which it happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from headway.cli.route import steps
from headway.cli.words import duration

__all__ = ["tell_request"]

_WHY = {
    "only_one": "the only one that could take it",
    "least_cost": "the least predicted cost",
    "least_loaded": "the least loaded",
    "longest_match": "the longest known beginning of its prompt",
    "tie_drawn": "drawn among equals",
    "in_turn": "in turn",
    "cheapest": "the cheapest that is predicted to meet the SLO",
    "all_failed_recently": "all had failed a moment ago",
}
_LIMITS = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute",
    "parallel": "requests at once",
    "day_tokens": "tokens this day",
    "day_micros": "USD this day",
    "month_tokens": "tokens this month",
    "month_micros": "USD this month",
}
_LEFT = 499
Line = tuple[float | None, str]  # seconds since the request came, if that is when it happened


def tell_request(story: dict[str, Any]) -> Iterator[str]:
    """`story`: gateway.story.Story as JSON."""
    record = story["record"]
    kind = "stream" if record.get("stream") else "request"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["at"]))
    by = f" of tenant {record['tenant']}" if record.get("tenant") else ""
    name = record.get("route") or record.get("model") or "no model"
    if record.get("shadow_of"):
        kind = f"shadow of {record['shadow_of']},"
    yield f"{record['id']}: {kind}{by} to {record['path']} for {name}, {when}"
    yield _frame(story)
    lines: list[Line] = [*_gate(story), *sorted(_middle(record), key=_at), *_end(story)]
    for at, text in lines:
        yield f"  {'' if at is None else f'{at:8.3f}s':>9}  {text}"
    yield f"  {'':>9}  {_source(story)}"


def _frame(story: dict[str, Any]) -> str:
    record = story["record"]
    parts = [f"priority {record.get('priority') or 'normal'}", f"deadline {duration(story['deadline'])}"]
    if trace := record.get("trace"):
        parts.append(f"trace {trace['id']}")
    return f"  {'':>9}  {', '.join(parts)}"


def _gate(story: dict[str, Any]) -> Iterator[Line]:
    charge = story["record"].get("charge")
    if charge is None:
        return
    seen = story["limits"]
    left = ", ".join(f"{_amount(each, 'left')} of {_amount(each, 'size')} {_LIMITS[each['limit']]}" for each in seen)
    yield None, f"key {charge['key']}; {f'left of its limits: {left}' if seen else 'no limits'}"
    if held := charge.get("held_tokens"):
        yield None, f"held {held} tokens{_money(', ', charge.get('held_micros'))} while it ran"
    for each in seen:
        if each["refused"]:
            yield None, f"refused by its limit of {_amount(each, 'size')} {_LIMITS[each['limit']]}"


def _middle(record: dict[str, Any]) -> Iterator[Line]:
    yield from steps(record)
    for wait in record.get("waits", ()):
        yield wait["at"], _wait(wait)
    attempts = record.get("attempts", ())
    for number, attempt in enumerate(attempts, 1):
        again = f"try {number}, " if len(attempts) > 1 else ""
        replica = _replica(attempt["endpoint"])
        yield attempt["at"], f"{again}sent to {replica}: {_why(attempt)}"
        if failure := attempt.get("failure"):
            yield attempt.get("ended", attempt["at"]), f"{replica} failed it: {failure}"
    if record.get("ttft") is not None:
        yield record["ttft"], "first byte of the answer"


def _wait(wait: dict[str, Any]) -> str:
    held = f"{wait.get('seconds', 0.0):.3f} s"
    if wait["where"] == "gate":
        return f"waited {held} at the gate, for a share of its tenant's limits"
    if wait["where"] == "cache":
        return f"waited {held} for the answer to an equal request"
    if wait["where"] == "lobby":
        return f"waited {held} for a replica to be ready"
    said = ""
    if wait.get("waiting") is not None:
        ahead = wait.get("ahead")
        place = f"{ahead} before it" if ahead is not None else f"{wait['waiting']} in it"
        said = f": {place}, about {wait.get('eta', 0.0):.1f} s expected"
    return f"waited {held} in the model's line for a place{said}"


def _why(attempt: dict[str, Any]) -> str:
    """Why this endpoint, and what each would have cost, the least first."""
    said = _WHY.get(attempt.get("why", ""), "picked")
    costs = zip(attempt.get("among", ()), attempt.get("costs", ()), strict=False)
    known = sorted((cost, _replica(endpoint)) for endpoint, cost in costs if cost is not None)
    shown = ", ".join(f"{endpoint} {cost:.4g}" for cost, endpoint in known[:8])
    return f"{said} ({shown}{', …' if len(known) > 8 else ''})" if shown else said


def _end(story: dict[str, Any]) -> Iterator[Line]:
    record = story["record"]
    end = "its caller left" if record["status"] == _LEFT else f"ended, status {record['status']}"
    if record.get("error") and record["status"] != _LEFT:
        end += f", {record['error']}"
    yield record["duration"], end
    if record.get("message"):
        yield None, record["message"]
    if record.get("cache"):
        note = f" ({record['cache_note']})" if record.get("cache_note") else ""
        saved = f", {record['saved_tokens']} tokens saved" if record.get("saved_tokens") else ""
        whose = f", of the Route {record['cache_of']}" if record.get("cache_of") else ""
        yield None, f"the gateway's cache{whose}: {record['cache']}{note}{saved}"
    if record.get("completion_tokens") is not None:
        prompt, cached = record.get("prompt_tokens"), record.get("cached_tokens")
        asked = "" if prompt is None else f"{prompt} prompt tokens ({cached or 0} cached), "
        each = f", {1000 * story['itl']:.1f} ms each" if story.get("itl") else ""
        yield None, f"{asked}{record['completion_tokens']} completion tokens{each}"
    charge = record.get("charge") or {}
    charged = f"charged {charge['tokens']} tokens" if charge.get("tokens") else ""
    if record.get("micros") is not None or charged:
        yield None, ", ".join(filter(None, (charged, _money("cost ", record.get("micros")))))


def _source(story: dict[str, Any]) -> str:
    record = story["record"]
    worker = "" if record.get("worker") is None else f"worker {record['worker']}, "
    told = "from the worker's memory" if story["found"] == "worker" else "from the request log"
    return f"{worker}routing table {record.get('table', 0)}; {told}"


def _amount(limit: dict[str, Any], of: str) -> str:
    return f"{limit[of] / 1e6:.6g}" if limit["limit"].endswith("_micros") else str(limit[of])


def _money(before: str, micros: int | None) -> str:
    return f"{before}{micros / 1e6:.6f} USD" if micros else ""


def _replica(endpoint: str) -> str:
    """Without its incarnation."""
    name, _, incarnation = endpoint.rpartition(".")
    return name if name and incarnation.isdigit() and ":" not in endpoint else endpoint


def _at(line: Line) -> float:
    return line[0] or 0.0
