"""Kind `Tenant`: who pays and who is limited. `model` says how the classes become the schema and the page.

A limit that is left out does not exist. Inside the code tokens and requests are counts and money is micro-money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from headway.spec import about_share
from headway.spec import about_tenant as about
from headway.spec.fault import Fault, Faults, describe
from headway.spec.fields import Name
from headway.spec.names import check_name
from headway.spec.share import Quota
from headway.spec.strict import Strict
from headway.spec.units import (
    QUANTITY_FORM,
    format_money,
    format_quantity,
    parse_money,
    parse_quantity,
)

__all__ = ["Allowance", "Answers", "Budget", "Data", "Limits", "Priority", "Tenant", "read_patterns"]

Priority = Literal["high", "normal", "low"]
Answers = Literal["none", "own", "shared"]

BUDGET_FORM = "write tokens like 2M or 500 tokens, or money like 50 USD"
MOST_LISTED = 1000
LARGEST_COUNT = 10**14
"""Tokens, requests or millionths of money; more is a slip of the keyboard."""
_PATTERN = re.compile(r"[a-z0-9*]([a-z0-9.:*-]*[a-z0-9*])?", re.ASCII)
_TOKENS = re.compile(r"(.*?) ?tokens")


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget: tokens, or money in millionths."""

    amount: int
    unit: Literal["tokens", "micros"]

    def __str__(self) -> str:
        if self.unit == "micros":
            return format_money(self.amount)
        written = format_quantity(self.amount)
        return written if written[-1].isalpha() else f"{written} tokens"


def _read_allowance(value: Any) -> Allowance:
    if isinstance(value, Allowance):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Fault(f"found {describe(value)}", BUDGET_FORM)
    text = str(value)
    try:
        if match := _TOKENS.fullmatch(text):
            found = Allowance(parse_quantity(match[1]), "tokens")
        elif text[-1:] in ("k", "M", "G"):
            found = Allowance(parse_quantity(text), "tokens")
        else:
            found = Allowance(parse_money(text), "micros")
    except Fault as fault:
        hint = fault.hint if "currency" in fault.hint else BUDGET_FORM
        raise Fault(f"found {describe(value)}", hint) from None
    if not 0 < found.amount <= LARGEST_COUNT:
        raise Fault(f"found {describe(value)}, which is too {'much' if found.amount else 'little'}", BUDGET_FORM)
    return found


def _read_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Fault(f"found {describe(value)}", QUANTITY_FORM)
    count = parse_quantity(value)
    if not 0 < count <= LARGEST_COUNT:
        raise Fault(f"found {describe(value)}", "write at least 1, or leave it out for no limit")
    return count


def _read_weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 100:
        raise Fault(f"found {describe(value)}", "write a number from 0.01 to 100, like 2")
    return float(value)


def _read_members(value: Any) -> tuple[str, ...]:
    return (
        ()
        if value in ([], ())
        else tuple(_listed(value, "write a list of names or e-mail addresses, like [ana, ben@example.com]", _member))
    )


def read_patterns(value: Any) -> tuple[str, ...]:
    return tuple(_listed(value, "write a list of models, like [chat, embed-*]; left out = all", _pattern))


def _listed(value: Any, form: str, read: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not value or len(value) > MOST_LISTED:
        raise Fault(f"found {'an empty list' if value in ([], ()) else describe(value)}", form)
    found, faults = [], []
    for number, each in enumerate(value):
        try:
            found.append(read(each))
        except Fault as fault:
            faults.append(fault.below((str(number),)))
    if faults:
        raise Faults(faults)
    if len(set(found)) < len(found):
        twice = next(each for each in found if found.count(each) > 1)
        raise Fault(f"{twice} stands twice", "keep one of them")
    return found


def _member(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > 254:
        raise Fault(f"found {describe(value)}", "write a name or an e-mail address")
    return value.strip()


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not _PATTERN.fullmatch(value) or len(value) > 254:
        raise Fault(f"found {describe(value)}", "write the name of a model, or a pattern like embed-*")
    return value


_NUMBER = r"[0-9]+(\.[0-9]+)?"
Count = Annotated[
    int,
    BeforeValidator(_read_count),
    PlainSerializer(format_quantity, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": rf"^{_NUMBER} ?[kMG]?$"}]}
    ),
]
AllowanceText = Annotated[
    Allowance,
    BeforeValidator(_read_allowance),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": rf"^{_NUMBER}( ?[kMG]|( ?[kMG])? ?tokens| ?USD)?$"},
                {"type": "number", "exclusiveMinimum": 0},
            ]
        }
    ),
]
Weight = Annotated[
    float,
    BeforeValidator(_read_weight),
    WithJsonSchema({"type": "number", "minimum": 0.01, "maximum": 100}),
]
_NAMES = {"type": "array", "maxItems": MOST_LISTED, "uniqueItems": True}
Members = Annotated[
    tuple[str, ...],
    BeforeValidator(_read_members),
    WithJsonSchema({**_NAMES, "items": {"type": "string", "minLength": 1, "maxLength": 254}}),
]
Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(read_patterns),
    WithJsonSchema(
        {**_NAMES, "minItems": 1, "items": {"type": "string", "pattern": f"^{_PATTERN.pattern}$", "maxLength": 254}}
    ),
]


def _read_namespace(value: Any) -> str:
    name = check_name(value) if isinstance(value, str) else ""
    if not name or name == "default" or name.startswith("kube-"):
        raise Fault(f"found {describe(value)}", "write a namespace of its own, like research")
    return name


Namespace = Annotated[
    str,
    BeforeValidator(_read_namespace),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63}),
]


class Limits(Strict):
    """How fast and how much at once, over all keys of the tenant and all workers of the gateway."""

    rpm: Annotated[Count | None, about.RPM] = None
    tpm: Annotated[Count | None, about.TPM] = None
    parallel: Annotated[Count | None, about.PARALLEL] = None


class Budget(Strict):
    """How much in all. Days and months are those of UTC."""

    day: Annotated[AllowanceText | None, about.DAY] = None
    month: Annotated[AllowanceText | None, about.MONTH] = None


class Data(Strict):
    """What is kept about the tenant's requests. What they say goes into no log."""

    log: Annotated[Literal["none", "metadata"], about.LOG] = "metadata"
    answers: Annotated[Answers | None, about.ANSWERS] = None

    @property
    def cached(self) -> Answers:
        """Which caches of answers may have the tenant's."""
        return self.answers or ("none" if self.log == "none" else "own")


class Tenant(Strict):
    """Who may use which models, how much of them, and in whose turn."""

    kind: Annotated[Literal["Tenant"], about.KIND] = "Tenant"
    name: Annotated[Name, about.NAME]
    members: Annotated[Members, about.MEMBERS] = ()
    models: Annotated[Patterns | None, about.MODELS] = None
    limits: Annotated[Limits, about.LIMITS] = Field(default_factory=Limits)
    budget: Annotated[Budget, about.BUDGET] = Field(default_factory=Budget)
    priority: Annotated[Priority, about.PRIORITY] = "normal"
    weight: Annotated[Weight, about.WEIGHT] = 1.0
    data: Annotated[Data, about.DATA] = Field(default_factory=Data)
    cache: Annotated[Literal["own", "shared"], about.CACHE] = "own"
    namespace: Annotated[Namespace | None, about_share.NAMESPACE] = None
    quota: Annotated[Quota | None, about_share.QUOTA] = None

    @model_validator(mode="after")
    def _quota_of_something(self) -> Tenant:
        if self.quota is not None and self.namespace is None:
            raise Fault("a quota is of a namespace", f"write namespace: {self.name}, or leave it out", ("quota",))
        return self

    @property
    def money(self) -> tuple[str, ...]:
        """The periods whose budget is in money."""
        return tuple(period for period, found in self.budget if found is not None and found.unit == "micros")
