"""Whether a node is one that a pod may go to at all: its selector, its required node affinity, the node's taints. Pure.

As the scheduler reads them (kubernetes.io, "Assigning Pods to Nodes", "Taints and Tolerations"); what is free there is
another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headway.sites.kubernetes.facts import NodeFacts

__all__ = ["above", "expressions", "matches", "untolerated"]

_KEEPS_OUT = ("NoSchedule", "NoExecute")


def matches(spec: Mapping[str, Any], node: NodeFacts) -> bool:
    """By labels. Terms are alternatives; the expressions of one term hold together."""
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    terms = _terms(spec)
    return not terms or any(_term_holds(term, node) for term in terms)


def expressions(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Of all terms of its required node affinity."""
    for term in _terms(spec):
        yield from term.get("matchExpressions") or ()


def above(spec: Mapping[str, Any], label: str) -> int | None:
    """The number that a label's value must be above, of the term that asks for least; None = it need not."""
    values = [int(each["values"][0]) for each in expressions(spec) if each["key"] == label and each["operator"] == "Gt"]
    return min(values, default=None)


def untolerated(spec: Mapping[str, Any], node: NodeFacts) -> list[str]:
    """The taints that keep the pod out, as people write them."""
    tolerations = spec.get("tolerations") or ()
    return [
        f"{key}={value}:{effect}" if value else f"{key}:{effect}"
        for key, value, effect in node.taints
        if effect in _KEEPS_OUT and not any(_tolerates(each, key, value, effect) for each in tolerations)
    ]


def _terms(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms: Sequence[Mapping[str, Any]] = required.get("nodeSelectorTerms") or ()
    return terms


def _term_holds(term: Mapping[str, Any], node: NodeFacts) -> bool:
    by_label = all(_holds(each, node.labels.get(each["key"])) for each in term.get("matchExpressions") or ())
    return by_label and all(_holds(each, node.name) for each in term.get("matchFields") or ())


def _holds(expression: Mapping[str, Any], value: str | None) -> bool:
    values: Sequence[str] = expression.get("values") or ()
    operator: str = expression["operator"]
    if operator in ("In", "NotIn"):
        return (value in values) is (operator == "In")
    if operator in ("Exists", "DoesNotExist"):
        return (value is not None) is (operator == "Exists")
    if not values or not _is_number(value):
        return False
    number, limit = int(value or 0), int(values[0])
    return number > limit if operator == "Gt" else operator == "Lt" and number < limit


def _is_number(value: str | None) -> bool:
    return value is not None and value.lstrip("-").isdigit()


def _tolerates(toleration: Mapping[str, Any], key: str, value: str, effect: str) -> bool:
    if toleration.get("effect") not in (None, "", effect):
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != key:
        return False
    return toleration.get("operator") == "Exists" or (toleration.get("value") or "") == value
