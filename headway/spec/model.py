"""Kind `Model`: what a user asks to be served under one name.

The classes below are the schema: the JSON Schema that editors use and the reference page are made from them, so each
field says its meaning, its unit and an example. What is None was left out, and is derived where it is needed.
`model_dump(mode="json")` writes units and ranges as people do; `Model.model_validate` reads an equal Model from that.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from headway.spec import about, about_cluster
from headway.spec.about_cache import CACHE
from headway.spec.cache import Cache
from headway.spec.cluster import Cost, ImageText, KubeName, PodFields, Weights
from headway.spec.deadlines import Deadlines
from headway.spec.fault import Fault, describe
from headway.spec.fields import Args, Bytes, Cores, Env, GpuText, Name, PerMillion, Seconds, SourceText, is_written
from headway.spec.revision import Task
from headway.spec.strict import Strict

__all__ = [
    "EngineName",
    "Model",
    "Price",
    "Profile",
    "Replicas",
    "Routing",
    "RoutingPolicy",
    "SiteKey",
    "Slo",
    "Variant",
]

RoutingPolicy = Literal["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"]
EngineName = Literal["llamacpp", "embed", "vllm", "sglang", "openai", "mock"]

MOST_REPLICAS = 1000
MOST_VARIANTS = 20
REPLICAS_FORM = "write a number or a range, like 2 or 0..8"
_REPLICAS = re.compile(r"(\d{1,6})(?:\.\.(\d{1,6}))?", re.ASCII)
_SITE = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}"


def _read_site(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_SITE, value):
        raise Fault(f"found {describe(value)}", "write local, kubernetes or the name of a Site")
    return value


SiteKey = Annotated[str, BeforeValidator(_read_site), WithJsonSchema({"type": "string", "pattern": f"^{_SITE}$"})]


class Replicas(Strict):
    """A number or a range; a range runs max(1, low) until scaling exists."""

    low: int = 1
    high: int = 1

    @property
    def wanted(self) -> int:
        return self.low if self.low == self.high else max(1, self.low)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict) and not is_written(info):
            return value
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Fault(f"found {describe(value)}", REPLICAS_FORM)
        match = _REPLICAS.fullmatch(str(value))
        if match is None:
            raise Fault(f"found {describe(value)}", REPLICAS_FORM)
        return {"low": int(match[1]), "high": int(match[2] or match[1])}

    @model_validator(mode="after")
    def _bounded(self) -> Replicas:
        if self.low > self.high:
            raise Fault(f"found {self}", f"write the lower end first: {self.high}..{self.low}")
        if self.low < 0 or self.high > MOST_REPLICAS:
            raise Fault(f"found {self}", f"write 0 to {MOST_REPLICAS}")
        return self

    @model_serializer(mode="plain", when_used="json")
    def _write(self) -> int | str:
        return self.low if self.low == self.high else str(self)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}..{self.high}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        number = {"type": "integer", "minimum": 0, "maximum": MOST_REPLICAS}
        return {"anyOf": [number, {"type": "string", "pattern": r"^[0-9]+(\.\.[0-9]+)?$"}]}


class Slo(Strict):
    """Latency limits at the 95th percentile; seconds in the code."""

    ttft: Annotated[Seconds | None, about.TTFT] = None
    itl: Annotated[Seconds | None, about.ITL] = None


class Price(Strict):
    """What tokens cost those who use the Model; micro-money for a million tokens in the code."""

    input: Annotated[PerMillion, about.PRICE_INPUT]
    cached: Annotated[PerMillion | None, about.PRICE_CACHED] = None
    output: Annotated[PerMillion | None, about.PRICE_OUTPUT] = None


class Routing(Strict):
    """How the gateway chooses a Replica for a request."""

    policy: Annotated[RoutingPolicy, about.POLICY] = "predicted_latency"


class Profile(Strict):
    """What is different on one Site (by its name) or kind of Site (local, kubernetes)."""

    source: Annotated[SourceText | None, about.SOURCE] = None
    engine: Annotated[EngineName | None, about.ENGINE] = None
    replicas: Annotated[Replicas | None, about.REPLICAS] = None
    gpu: Annotated[GpuText | None, about.GPU] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    slo: Annotated[Slo | None, about.SLO] = None
    deadlines: Annotated[Deadlines | None, about.DEADLINES] = None
    args: Annotated[Args | None, about.ARGS] = None
    env: Annotated[Env | None, about.ENV] = None
    image: Annotated[ImageText | None, about_cluster.IMAGE] = None
    priority: Annotated[KubeName | None, about_cluster.PRIORITY] = None
    cost: Annotated[Cost | None, about_cluster.COST] = None
    weights: Annotated[Weights | None, about_cluster.WEIGHTS] = None
    pod: Annotated[PodFields | None, about_cluster.POD] = None


class Variant(Strict):
    """One of several unlike ways to serve the same Model."""

    name: Annotated[Name, about.VARIANT_NAME]
    source: Annotated[SourceText | None, about.SOURCE] = None
    engine: Annotated[EngineName | None, about.ENGINE] = None
    replicas: Annotated[Replicas | None, about.REPLICAS] = None
    gpu: Annotated[GpuText | None, about.GPU] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    price: Annotated[Price | None, about.PRICE] = None
    args: Annotated[Args | None, about.ARGS] = None
    env: Annotated[Env | None, about.ENV] = None
    image: Annotated[ImageText | None, about_cluster.IMAGE] = None
    priority: Annotated[KubeName | None, about_cluster.PRIORITY] = None
    cost: Annotated[Cost | None, about_cluster.COST] = None
    weights: Annotated[Weights | None, about_cluster.WEIGHTS] = None
    pod: Annotated[PodFields | None, about_cluster.POD] = None


class Model(Strict):
    """A model that is served under one name."""

    kind: Annotated[Literal["Model"], about.KIND] = "Model"
    name: Annotated[Name, about.NAME]
    source: Annotated[SourceText, about.SOURCE]
    task: Annotated[Task | None, about.TASK] = None
    engine: Annotated[EngineName | None, about.ENGINE] = None
    replicas: Annotated[Replicas, about.REPLICAS] = Replicas()
    gpu: Annotated[GpuText | None, about.GPU] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    slo: Annotated[Slo | None, about.SLO] = None
    price: Annotated[Price | None, about.PRICE] = None
    routing: Annotated[Routing, about.ROUTING] = Field(default_factory=Routing)
    cache: Annotated[Cache | None, CACHE] = None
    deadlines: Annotated[Deadlines | None, about.DEADLINES] = None
    args: Annotated[Args, about.ARGS] = Field(default_factory=dict)
    env: Annotated[Env, about.ENV] = Field(default_factory=dict)
    image: Annotated[ImageText | None, about_cluster.IMAGE] = None
    priority: Annotated[KubeName | None, about_cluster.PRIORITY] = None
    cost: Annotated[Cost | None, about_cluster.COST] = None
    weights: Annotated[Weights | None, about_cluster.WEIGHTS] = None
    pod: Annotated[PodFields | None, about_cluster.POD] = None
    variants: Annotated[tuple[Variant, ...], about.VARIANTS, Field(max_length=MOST_VARIANTS)] = ()
    profiles: Annotated[dict[SiteKey, Profile], about.PROFILES] = Field(default_factory=dict)

    def on(self, site: str, kind: str) -> Model:
        """The Model as it is served on one Site: profile by Site name, else by Site kind, laid over the rest.

        `args` and `env` are laid over key by key. The profiles stay, and laying one over twice changes nothing.
        """
        profile = self.profiles.get(site) or self.profiles.get(kind)
        if profile is None:
            return self
        changes = _laid_over(self, profile)
        if changes.keys() & {"source", "engine", "gpu"}:
            changes["variants"] = ()  # the one way that the profile says
        return self.model_copy(update=changes)

    def over(self, defaults: Profile) -> Model:
        """With what a Site has as defaults, where the Model does not say it itself; `args` and `env` key by key."""
        said = {name: value for name, value in defaults if value is not None}
        changes = {name: value for name, value in said.items() if name not in self.model_fields_set}
        for name in said.keys() & {"args", "env"}:
            changes[name] = {**said[name], **getattr(self, name)}
        return self.model_copy(update=changes)

    @property
    def ways(self) -> dict[str, Model]:
        """By Variant, the Model as that one serves it; without any, itself under an empty name."""
        if not self.variants:
            return {"": self}
        return {
            each.name: self.model_copy(update=_laid_over(self, each) | {"name": self.name, "variants": ()})
            for each in self.variants
        }

    @model_validator(mode="after")
    def _unlike(self) -> Model:
        names = [each.name for each in self.variants]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise Fault(f"{name} stands twice", "give each variant its own name", ("variants", str(number), "name"))
        return self


def _laid_over(model: Model, over: Profile | Variant) -> dict[str, Any]:
    """What `over` says, with `args` and `env` key by key."""
    changes = {name: value for name, value in over if value is not None}
    for name in changes.keys() & {"args", "env"}:
        changes[name] = {**getattr(model, name), **changes[name]}
    return changes
