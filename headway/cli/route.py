"""A Route in sentences, for `status` and `explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from headway.cli.words import money, plural

__all__ = ["steps", "summary", "tell_route"]


def tell_route(view: dict[str, Any], *, as_json: bool = False) -> None:
    if as_json:
        print(json.dumps(view, indent=2))
        return
    for line in _lines(view):
        print(line)


def summary(view: dict[str, Any]) -> str:
    """One line: where its requests go."""
    route = view["route"]
    parts = [_to(route)]
    if route.get("fallback"):
        parts.append(f"else {', '.join(each['model'] for each in route['fallback'])}")
    if shadow := route.get("shadow"):
        parts.append(f"shadow {shadow['model']} {shadow['share']}")
    return "; ".join(parts)


def _to(route: dict[str, Any]) -> str:
    names: list[str] = [each["model"] for each in route["to"]]
    if route.get("prefer"):
        return f"the cheapest of {', '.join(names)}"
    weights = [each.get("weight", 1.0) for each in route["to"]]
    total = sum(weights)
    if len(names) == 1:
        return names[0]
    return ", ".join(f"{name} {weight / total:.3g}" for name, weight in zip(names, weights, strict=True))


def _lines(view: dict[str, Any]) -> Iterator[str]:
    route, states = view["route"], view["models"]
    yield f"{view['name']}  route to {_to(route)}"
    for each in route.get("match", ()):
        yield f"{each['header']} is {each['equals']}: {each['model']}"
    if slo := route.get("slo"):
        yield f"predicted to meet {', '.join(f'{name} {limit}' for name, limit in slo.items())}"
    within = route.get("within")
    for number, each in enumerate(route.get("fallback", ()), 1):
        on = ", ".join(each.get("on", ("error", "saturated", "deadline")))
        late = f" of {within}" if within and "deadline" in on else ""
        yield f"fallback {number}: {each['model']} on {on}{late}"
        yield from _spent(view["spent"].get(each["model"], {}))
    if shadow := route.get("shadow"):
        most, rate = shadow.get("most", 1), shadow.get("rate", 60)
        yield f"shadow: {shadow['share']} copied to {shadow['model']}, at most {most} at once and {rate} a minute"
    if cache := route.get("cache"):
        yield f"keeps answers of its own: {', '.join(cache)}"
    yield f"models: {', '.join(f'{name} {state}' for name, state in states.items())}"
    absent = [name for name, state in states.items() if state == "absent"]
    if absent:
        yield f"next: there is no Model {absent[0]}: write one, or take it out of the route ({view['origin']})"
    yield view["address"]


def _spent(spent: dict[str, Any]) -> Iterator[str]:
    for period, used in spent.items():
        if used["budget"]:
            rest = money(used["left"]) if used["unit"] == "micros" else f"{used['left']} tokens"
            requests = plural(used["requests"], "request")
            yield f"  this {period} (since {used['start']} UTC): {requests}; {rest} left of {used['budget']}"


_WHY = {
    "matched": "by its header",
    "weighted": "by weight",
    "only_one": "the only one",
    "cheapest": "the cheapest that is predicted to meet the SLO",
    "fastest": "none is predicted to meet the SLO, this one begins first",
    "on_error": "the one before failed",
    "on_saturated": "the one before had no place free",
    "on_deadline": "the one before did not begin in time",
    "no_other": "no other can answer now either",
    "no_such_model": "no Model of that name",
    "wrong_task": "it does not serve this path",
    "not_ready": "no replica of it answers now",
    "saturated": "all its places are taken",
    "misses_slo": "predicted to miss the SLO",
    "dearer": "dearer",
    "not_for_this": "not for this",
    "budget_spent": "the Route's budget for it is spent",
}


def steps(record: dict[str, Any]) -> Iterator[tuple[float, str]]:
    """What the Route of a request looked at, and when."""
    for step in record.get("steps", ()):
        said = _WHY.get(step["why"], step["why"])
        detail = f" ({step['detail']})" if step.get("detail") else ""
        verb = "to" if step.get("taken") else "passed over"
        yield step.get("at", 0.0), f"{verb} the Model {step['model']}: {said}{detail}"
