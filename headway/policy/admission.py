"""Whether a request may run now: model scope, rates, how many at once, budgets. Pure; reads only what it is given.

In this order, so that the answer names what the caller can change first:

    out_of_scope    may this key use this model at all, and is it still valid
    reserve_for     what the request may use at most: prompt + max_tokens; that much is reserved while it runs
    admit           None = go; NotYet = the hub has more than this worker holds, so wait a moment; Refused = say so

Where the caller gives no max_tokens, an engine may write until its context is full, and nobody could reserve that. A
tenant whose tokens or money are limited then gets a cap (`Reserve.cap`), which the gateway sends upstream and tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, Protocol

from headway.policy.budget import AXIS_OF, Amounts, Axis, Limit
from headway.policy.period import ends_in
from headway.policy.price import PER, Price, cost

__all__ = [
    "DEFAULT_CAP",
    "LEAST_CAP",
    "Ceiling",
    "NotYet",
    "Refused",
    "Request",
    "Reserve",
    "Rule",
    "View",
    "Why",
    "admit",
    "allows",
    "ceilings",
    "out_of_scope",
    "reserve_for",
]

DEFAULT_CAP: Final = 4096
"""Tokens of an answer whose caller gave no max_tokens: what the common engines and providers allow by default."""
LEAST_CAP: Final = 16
"""Tokens. A shorter answer is of no use; then the request is refused instead."""
SOON: Final = 1.0
"""Seconds after which to try again when running requests hold what is missing."""


class Why(StrEnum):
    MODEL_NOT_ALLOWED = "model_not_allowed"
    KEY_EXPIRED = "key_expired"
    TOO_LARGE = "too_large"  # larger than the whole limit: waiting does not help
    RATE = "rate"
    PARALLEL = "parallel"
    BUDGET_RESERVED = "budget_reserved"  # running requests hold the rest; some of it may return
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True)
class Refused:
    """`retry_after` in seconds; None = trying again does not help."""

    why: Why
    message: str
    status: int
    code: str
    retry_after: float | None = None
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """This worker holds too little, but the hub has it or can get it: want that much, and wait."""

    limit: Limit
    amount: int


class Rule(Protocol):
    """A tenant as the gateway knows it. None = no limit. Tokens and requests are counts, micros are micro-money."""

    @property
    def name(self) -> str: ...
    @property
    def models(self) -> tuple[str, ...] | None: ...
    @property
    def rpm(self) -> int | None: ...
    @property
    def tpm(self) -> int | None: ...
    @property
    def parallel(self) -> int | None: ...
    @property
    def day_tokens(self) -> int | None: ...
    @property
    def day_micros(self) -> int | None: ...
    @property
    def month_tokens(self) -> int | None: ...
    @property
    def month_micros(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Ceiling:
    limit: Limit
    size: int


def ceilings(rule: Rule) -> tuple[Ceiling, ...]:
    """The limits that a tenant has. Made once a table, not once a request."""
    sizes = {
        Limit.RPM: rule.rpm,
        Limit.TPM: rule.tpm,
        Limit.PARALLEL: rule.parallel,
        Limit.DAY_TOKENS: rule.day_tokens,
        Limit.DAY_MICROS: rule.day_micros,
        Limit.MONTH_TOKENS: rule.month_tokens,
        Limit.MONTH_MICROS: rule.month_micros,
    }
    return tuple(Ceiling(limit, size) for limit, size in sizes.items() if size is not None)


class View(Protocol):
    """One tenant's limits as this worker sees them."""

    def rooms(self) -> list[int]:
        """What this worker may promise without asking, by Limit."""

    def left(self, limit: Limit) -> int:
        """What nobody has promised, on the whole host, a moment ago."""

    def unspent(self, limit: Limit) -> int:
        """`left` and what running requests hold, of which some may return."""


def allows(patterns: Sequence[str] | None, model: str) -> bool:
    """None = every model; `*` in a pattern stands for any characters."""
    return patterns is None or any(fnmatchcase(model, each) for each in patterns)


def out_of_scope(
    rule: Rule, key_models: Sequence[str] | None, expires: float | None, model: str, now: float
) -> Refused | None:
    """`expires` and `now` are Unix time."""
    if expires is not None and now >= expires:
        return Refused(Why.KEY_EXPIRED, "this key has expired; ask for a new one", 401, "invalid_api_key")
    if not (allows(rule.models, model) and allows(key_models, model)):
        who = f"tenant {rule.name}" if not allows(rule.models, model) else "this key"
        return Refused(Why.MODEL_NOT_ALLOWED, f"{who} may not use the model {model!r}", 403, "model_not_allowed")
    return None


class Request:
    """`prompt_tokens`: an estimate that is rather too high. `choices`: `n` of the request."""

    __slots__ = ("choices", "max_tokens", "prompt_tokens")

    def __init__(self, prompt_tokens: int, max_tokens: int | None = None, choices: int = 1) -> None:
        self.prompt_tokens, self.max_tokens, self.choices = prompt_tokens, max_tokens, choices


class Reserve:
    """What is reserved. `cap`: max_tokens to send upstream, because the caller gave none; None = as the caller said."""

    __slots__ = ("amounts", "cap")

    def __init__(self, amounts: Amounts, cap: int | None) -> None:
        self.amounts, self.cap = amounts, cap


def reserve_for(
    request: Request, price: Price | None, limits: Sequence[Ceiling], view: View, usual_cap: int = DEFAULT_CAP
) -> Reserve:
    """`usual_cap`: DEFAULT_CAP, or what was learned of this model. Near the end of a budget it is made to fit."""
    cap = None
    if request.max_tokens is None and any(AXIS_OF[each.limit] in (Axis.TOKENS, Axis.MICROS) for each in limits):
        cap = max(LEAST_CAP, min([usual_cap, *(_fitting(each, request, price, view) for each in limits)]))
    longest = cap if cap is not None else request.max_tokens or 0
    completion = longest * request.choices
    micros = cost(price, request.prompt_tokens, completion)
    return Reserve(Amounts(1, 1, request.prompt_tokens + completion, micros), cap)


def _fitting(ceiling: Ceiling, request: Request, price: Price | None, view: View) -> int:
    """The longest answer that a limit has room for: of a rate in all, of a budget now."""
    axis, limit = AXIS_OF[ceiling.limit], ceiling.limit
    room = ceiling.size if limit is Limit.TPM else min(ceiling.size, view.left(limit))
    if axis is Axis.TOKENS:
        return (room - request.prompt_tokens) // request.choices
    if axis is Axis.MICROS and price and price.output:
        room -= cost(price, request.prompt_tokens, 0)
        return room * PER // (price.output * request.choices)
    return DEFAULT_CAP


def admit(rule: Rule, limits: Sequence[Ceiling], amounts: Amounts, view: View, now: float) -> Refused | NotYet | None:
    """None = reserve the amounts and go. The hot path: without a shortage it only compares. `now` is Unix time."""
    waiting: NotYet | None = None
    rooms, needs = view.rooms(), amounts.each()
    for each in limits:
        need = needs[AXIS_OF[each.limit]]
        if need <= rooms[each.limit]:
            continue
        if need > each.size or need > view.left(each.limit):
            return _refused(rule, each, need, view, now)
        waiting = waiting or NotYet(each.limit, need)
    return waiting


def _refused(rule: Rule, ceiling: Ceiling, need: int, view: View, now: float) -> Refused:
    limit, size = ceiling.limit, ceiling.size
    if limit in _RATES:
        what = _RATES[limit]
        said = f"tenant {rule.name} may use {size} {what}"
        if need > size:
            message = f"{said}, and this request alone may need {need}; lower max_tokens or shorten the prompt"
            return Refused(Why.TOO_LARGE, message, 429, "rate_limit_exceeded", None, limit)
        again = SOON if limit is Limit.PARALLEL else max(SOON, (need - view.left(limit)) * 60 / size)
        why = Why.PARALLEL if limit is Limit.PARALLEL else Why.RATE
        return Refused(why, f"{said}; try again in {again:.0f} s", 429, "rate_limit_exceeded", again, limit)
    period, unit = ("day" if limit in (Limit.DAY_TOKENS, Limit.DAY_MICROS) else "month"), AXIS_OF[limit]
    said = f"tenant {rule.name} has a budget of {_amount(size, unit)} a {period}"
    if need > size:
        message = f"{said}, and this request alone may need {_amount(need, unit)}; lower max_tokens"
        return Refused(Why.TOO_LARGE, message, 429, "insufficient_quota", None, limit)
    if need <= view.unspent(limit):
        message = f"{said}; the rest of it is reserved by running requests; try again in {SOON:.0f} s"
        return Refused(Why.BUDGET_RESERVED, message, 429, "rate_limit_exceeded", SOON, limit)
    again = ends_in("day" if period == "day" else "month", now)
    left = _amount(max(0, view.unspent(limit)), unit)
    message = (
        f"{said}: {left} are left, this request may need {_amount(need, unit)}; a new {period} begins in {_time(again)}"
    )
    return Refused(Why.BUDGET_SPENT, message, 429, "insufficient_quota", again, limit)


_RATES: Final = {Limit.RPM: "requests a minute", Limit.TPM: "tokens a minute", Limit.PARALLEL: "requests at once"}


def _amount(number: int, axis: Axis) -> str:
    return f"{number / 1e6:.6g} USD" if axis is Axis.MICROS else f"{number} tokens"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 7200 else f"{max(1, seconds / 60):.0f} min"
