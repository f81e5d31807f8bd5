"""What the API server checks of an object by itself, in CEL: the checks of `spec/` that look at more than one value.

Each rule stands at the place that it is about (`*` is every entry of a list or map) with the words a user reads. A test
offers the same wrong objects to `spec/` and to a real API server and sees both refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headway.spec.names import LONGEST as LONGEST_NAME

__all__ = ["KEYS", "RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`path` below the object; `rule` is true of a right one; `message` says what to write."""

    path: str
    rule: str
    message: str


NAME = Rule(
    "",
    f"self.metadata.name.size() <= {LONGEST_NAME} && !self.metadata.name.contains('.')",
    f"write a name of a-z, 0-9 and -, at most {LONGEST_NAME} characters",
)
_RANGE = (
    "type(self) == int ? self <= 1000 : (self.contains('..') ? "
    "int(self.split('..')[0]) <= int(self.split('..')[1]) && int(self.split('..')[1]) <= 1000 : int(self) <= 1000)"
)
_SOUNDS = "['_token', '_key', '_secret', '_password'].exists(end, ('_' + key.lowerAscii()).endsWith(end))"
_HARMLESS = (
    "self[key].startsWith('secret:') || self[key].startsWith('/') || "
    "self[key].lowerAscii() in ['', 'true', 'false', 'yes', 'no', 'on', 'off', '0', '1']"
)
_WRITTEN_OUT = (
    "['hf_', 'sk-', 'ghp_', 'github_pat_', 'glpat-', 'AKIA', '-----BEGIN '].exists(it, self[key].startsWith(it))"
)
_ENV = (
    Rule(
        "",
        f"self.all(key, !({_SOUNDS}) || {_HARMLESS})",
        "looks like a credential written out: write secret:NAME/KEY, and keep the value in a Secret",
    ),
    Rule(
        "",
        f"self.all(key, self[key].size() < 20 || !{_WRITTEN_OUT})",
        "looks like a credential written out: write secret:NAME/KEY, and keep the value in a Secret",
    ),
)
_REPLICAS = Rule("", _RANGE, "write a number or a range like 0..8, the lower end first, at most 1000")
_CACHE = Rule("", "has(self.responses) || has(self.embeddings)", "write cache: {responses: {}}, or leave it out")


def _at(path: str, *rules: Rule) -> tuple[Rule, ...]:
    return tuple(Rule(path, each.rule, each.message) for each in rules)


RULES: Mapping[str, tuple[Rule, ...]] = {
    "Model": (
        NAME,
        *_at("spec.replicas", _REPLICAS),
        *_at("spec.variants.*.replicas", _REPLICAS),
        *_at("spec.profiles.*.replicas", _REPLICAS),
        *_at("spec.env", *_ENV),
        *_at("spec.variants.*.env", *_ENV),
        *_at("spec.profiles.*.env", *_ENV),
        *_at("spec.cache", _CACHE),
        Rule("spec.source", "!self.startsWith('.')", "a cluster sees no folder of yours: name hf, s3, gs, pvc or oci"),
        Rule(
            "spec.deadlines",
            "has(self.begin) || has(self.idle) || has(self.whole)",
            "write deadlines: {begin: 20s}, or leave it out",
        ),
    ),
    "Route": (
        NAME,
        *_at("spec.cache", _CACHE),
        Rule("spec.to", "size(self) > 0", "write [{model: big}]"),
        Rule(
            "spec",
            "!has(self.prefer) || (has(self.slo) && (has(self.slo.ttft) || has(self.slo.itl)))",
            "prefer: cheapest needs an slo: write slo: {ttft: 500ms}",
        ),
        Rule(
            "spec",
            "has(self.prefer) || self.to.exists(each, !has(each.weight) || each.weight > 0.0)",
            "no Model has a weight above 0: give one a weight",
        ),
        Rule(
            "",
            "self.spec.to.all(each, each.model != self.metadata.name)",
            "a Route does not lead to itself: name a Model",
        ),
    ),
    "Tenant": (
        NAME,
        Rule("spec", "!has(self.quota) || has(self.namespace)", "a quota is of a namespace: write namespace: NAME"),
        Rule(
            "spec.namespace",
            "self != 'default' && !self.startsWith('kube-')",
            "write a namespace of its own, like research",
        ),
    ),
    "App": (NAME, *_at("spec.env", *_ENV), *_at("spec.profiles.*.env", *_ENV)),
}


KEYS: Mapping[str, Mapping[str, str]] = {
    "Model": {"spec.variants": "name"},
    "Route": {"spec.to": "model", "spec.fallback": "model"},
}
"""Lists whose entries differ in one field: the API server refuses it twice, and merges what two writers apply by it."""
