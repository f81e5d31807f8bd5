"""Kind `Route`: one public name over several Models. `model` says how the classes become the schema and the page."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from headway.spec import about_route as about
from headway.spec.cache import Cache
from headway.spec.fault import Fault, describe
from headway.spec.fields import Name, Seconds
from headway.spec.model import Slo
from headway.spec.strict import Strict
from headway.spec.tenant import Budget, Count

__all__ = ["CONDITIONS", "Condition", "Fallback", "Match", "Route", "Shadow", "Target"]

Condition = Literal["error", "saturated", "deadline"]
CONDITIONS: tuple[Condition, ...] = ("error", "saturated", "deadline")

MOST_LISTED = 100
SHARE_FORM = "write a part like 5% or 0.5%"
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%", re.ASCII)
_HEADER = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


def _read_weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise Fault(f"found {describe(value)}", "write a number from 0 on, like 90")
    return float(value)


def _read_share(value: Any) -> float:
    if isinstance(value, float) and 0 < value <= 1:
        return value  # from code
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) <= 100:
        raise Fault(f"found {describe(value)}", SHARE_FORM)
    return float(match[1]) / 100


def _write_share(share: float) -> str:
    return f"{round(share * 100, 6):g}%"


def _read_header(value: Any) -> str:
    if not isinstance(value, str) or not _HEADER.fullmatch(value.lower()):
        raise Fault(f"found {describe(value)}", "write the name of a header, like x-team")
    if value.lower() in ("authorization", "x-api-key"):
        raise Fault(f"found {describe(value)}", "a key is no way to tell requests apart: use a header of your own")
    return value.lower()


def _read_equals(value: Any) -> str:
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or not str(value).isascii()
        or not str(value)
    ):
        raise Fault(f"found {describe(value)}", "write the value as text, like research")
    return str(value)


def _read_on(value: Any) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not listed or any(each not in CONDITIONS for each in listed):
        raise Fault(f"found {describe(value)}", f"write a list of {', '.join(CONDITIONS)}")
    return tuple(each for each in CONDITIONS if each in listed)


Weight = Annotated[
    float, BeforeValidator(_read_weight), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1_000_000})
]
Share = Annotated[
    float,
    BeforeValidator(_read_share),
    PlainSerializer(_write_share, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})? ?%$"}),
]
Header = Annotated[
    str, BeforeValidator(_read_header), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"})
]
Text = Annotated[
    str,
    BeforeValidator(_read_equals),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}),
]
_LISTED = {"type": "array", "items": {"enum": list(CONDITIONS)}, "minItems": 1}
On = Annotated[
    tuple[Condition, ...], BeforeValidator(_read_on), WithJsonSchema({"anyOf": [_LISTED, {"enum": list(CONDITIONS)}]})
]


class Target(Strict):
    """One of the Models that share a Route's requests."""

    model: Annotated[Name, about.MODEL]
    weight: Annotated[Weight, about.WEIGHT] = 1.0


class Match(Strict):
    """Requests that go to one Model because of a header."""

    header: Annotated[Header, about.HEADER]
    equals: Annotated[Text, about.EQUALS]
    model: Annotated[Name, about.MODEL]


class Fallback(Strict):
    """A Model that is asked when the one before cannot answer."""

    model: Annotated[Name, about.MODEL]
    on: Annotated[On, about.ON] = CONDITIONS
    budget: Annotated[Budget, about.BUDGET] = Field(default_factory=Budget)


class Shadow(Strict):
    """A copy of some requests, to try a Model on real ones."""

    model: Annotated[Name, about.MODEL]
    share: Annotated[Share, about.SHARE]
    most: Annotated[Count, about.MOST] = 1
    rate: Annotated[Count, about.RATE] = 60


class Route(Strict):
    """One name that callers use, and the Models that answer it."""

    kind: Annotated[Literal["Route"], about.KIND] = "Route"
    name: Annotated[Name, about.NAME]
    to: Annotated[tuple[Target, ...], about.TO, Field(max_length=MOST_LISTED)]
    match: Annotated[tuple[Match, ...], about.MATCH, Field(max_length=MOST_LISTED)] = ()
    fallback: Annotated[tuple[Fallback, ...], about.FALLBACK, Field(max_length=MOST_LISTED)] = ()
    within: Annotated[Seconds | None, about.WITHIN] = None
    prefer: Annotated[Literal["cheapest"] | None, about.PREFER] = None
    slo: Annotated[Slo | None, about.SLO] = None
    shadow: Annotated[Shadow | None, about.SHADOW] = None
    cache: Annotated[Cache | None, about.CACHE] = None

    @model_validator(mode="after")
    def _sound(self) -> Route:
        if self.prefer and (self.slo is None or (self.slo.ttft is None and self.slo.itl is None)):
            raise Fault(
                "prefer: cheapest needs an slo", "write slo: {ttft: 500ms}: the cheapest that meets it", ("prefer",)
            )
        if not self.to:
            raise Fault("found an empty list", "write [{model: big}]", ("to",))
        if not self.prefer and not any(each.weight > 0 for each in self.to):
            raise Fault("no Model has a weight above 0", "give one a weight", ("to",))
        for part in ("to", "fallback"):
            names = [each.model for each in getattr(self, part)]
            if len(set(names)) < len(names):
                twice = next(each for each in names if names.count(each) > 1)
                raise Fault(f"{twice} stands twice", "keep one of them", (part,))
        return self

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        """Every Model that it names, with the first place where it does."""
        places: dict[str, tuple[str, ...]] = {}
        for part in ("to", "match", "fallback"):
            for number, each in enumerate(getattr(self, part)):
                places.setdefault(each.model, (part, str(number), "model"))
        if self.shadow:
            places.setdefault(self.shadow.model, ("shadow", "model"))
        return places
