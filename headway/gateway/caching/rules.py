"""What one model's caches go by, made ready with the table; what a caller wishes of them; whose an answer is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from headway.gateway.keyring import Caller
from headway.gateway.table import Endpoint, ModelRoute
from headway.policy.caching import CacheRule, CacheRules
from headway.wire.openai import Refusal

__all__ = ["Caching", "Wish", "caching_of", "read_wish", "scope_of"]


@dataclass(frozen=True, slots=True)
class Caching:
    """`name` is the shelves': of the model, or of the Route that has caches of its own. `identities`: of each endpoint
    what exactly it serves; an answer is given again as long as one of them serves the same."""

    name: str
    rules: CacheRules
    identities: Mapping[str, str]


def caching_of(name: str, rules: CacheRules | None, model: ModelRoute) -> Caching | None:
    """Of what `model` answers; `name` and `rules` are its own, or those of a Route to it."""
    if rules is None:
        return None
    return Caching(name, rules, {each.id: _identity(each) for each in model.endpoints})


def _identity(endpoint: Endpoint) -> str:
    """The Revision; where the table names none its address has to stand for it."""
    return f"{endpoint.revision or endpoint.url} {endpoint.upstream_model}"


def scope_of(caller: Caller | None, rule: CacheRule) -> str | None:
    """Who gets the same answers; None = the tenant has none kept. Where nobody needs a key all callers are one."""
    if caller is None:
        return ""
    if caller.rule.answers == "none":
        return None
    return "shared" if rule.shared and caller.rule.answers == "shared" else f"tenant {caller.rule.name}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller says of caches. `youngest`: the oldest answer that will do, in seconds."""

    looks: bool = True
    keeps: bool = True
    youngest: float | None = None


_ANY = Wish()
_FRESH = Wish(looks=False)
_NOTHING = Wish(looks=False, keeps=False)
_OWN = {b"refresh": _FRESH, b"no-store": _NOTHING}
_MAX_AGE = re.compile(rb'max-age="?(\d{1,9})"?')


def read_wish(headers: Mapping[bytes, bytes]) -> Wish | Refusal:
    """`x-headway-cache: refresh|no-store`, else the words of RFC 9111 section 5.2.1 in `cache-control`; those that are
    not about us are passed over."""
    own = headers.get(b"x-headway-cache")
    if own is not None:
        wish = _OWN.get(own.strip().lower())
        name = "x-headway-cache"
        return wish or Refusal(400, "invalid_type", f"{name}: write refresh or no-store, or leave it out", name)
    said = headers.get(b"cache-control")
    if said is None:
        return _ANY
    words = [word.strip() for word in said.lower().split(b",")]
    if b"no-store" in words:
        return _NOTHING
    ages = [float(found[1]) for word in words if (found := _MAX_AGE.fullmatch(word))]
    if b"no-cache" in words or 0 in ages:
        return _FRESH
    return Wish(youngest=min(ages)) if ages else _ANY
