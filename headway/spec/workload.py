"""Kind `Workload`: what requests come when, how long they and their answers are, and what they share.

`bench` sends it, `plan` and `simulate` reckon with it; `perf.traffic.schedule` makes the requests of it. `model` says
how the classes become the schema and the page. What is None was left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from headway.spec import about_workload as about
from headway.spec.bounded import Callers, Path, Seed, Speed, Text, Variation, Weight, Zipf
from headway.spec.cache import Flag
from headway.spec.fault import Fault
from headway.spec.fields import Name, Seconds, Wait
from headway.spec.length import Length, Tokens
from headway.spec.pause import Pause
from headway.spec.rate import RateText
from headway.spec.route import Share
from headway.spec.strict import Strict
from headway.spec.tenant import Count
from headway.spec.units import format_duration

__all__ = [
    "DEFAULT_SECONDS",
    "ArrivalStage",
    "Arrivals",
    "Cancel",
    "Objectives",
    "Operation",
    "Part",
    "Prefix",
    "Sessions",
    "TraceFile",
    "TraceFormat",
    "Workload",
]

Operation = Literal["chat", "completion", "embedding"]
Pattern = Literal["poisson", "constant", "gamma"]
TraceFormat = Literal["azure", "burstgpt", "mooncake", "servegen", "headway", "headway-sampled", "headway-records"]

DEFAULT_SECONDS = 60.0
"""How long an open loop lasts where nobody says."""
MOST_PARTS = 100
MOST_PREFIXES = 1_000_000
_OF_ANSWERS = ("output", "sessions", "cancel")
_NEITHER = "prompt, output, prefix, sessions, arrivals and mix are the trace's: leave them out"


class _Written(Strict):
    """JSON has the names of the file (`for`, `from`), some of which Python keeps for itself."""

    model_config = ConfigDict(serialize_by_alias=True)


class ArrivalStage(_Written):
    """One stretch of time: an open loop with a rate, or a closed one with so many callers."""

    name: Annotated[Text | None, about.STAGE_NAME] = None
    rate: Annotated[RateText | None, about.RATE] = None
    concurrency: Annotated[Callers | None, about.CONCURRENCY] = None
    lasts: Annotated[Seconds, about.STAGE_LASTS, Field(alias="for")]

    @model_validator(mode="after")
    def _sound(self) -> ArrivalStage:
        if (self.rate is None) == (self.concurrency is None):
            found = "found neither rate nor concurrency" if self.rate is None else "found rate and concurrency"
            raise Fault(found, "write one of the two, like {rate: 20/s, for: 2m}")
        return self


class Arrivals(Strict):
    """When requests come."""

    rate: Annotated[RateText | None, about.RATE] = None
    pattern: Annotated[Pattern, about.PATTERN] = "poisson"
    cv: Annotated[Variation | None, about.CV] = None
    concurrency: Annotated[Callers | None, about.CONCURRENCY] = None
    stages: Annotated[tuple[ArrivalStage, ...], about.STAGES, Field(max_length=MOST_PARTS)] = ()

    @property
    def is_closed(self) -> bool:
        """Callers wait for their answers."""
        return self.concurrency is not None or any(each.concurrency is not None for each in self.stages)

    @property
    def variation(self) -> float:
        """Of the gaps: 0 constant, 1 poisson."""
        return self.cv if self.cv is not None else {"constant": 0.0, "poisson": 1.0}[self.pattern]

    @model_validator(mode="after")
    def _sound(self) -> Arrivals:
        said = [name for name in ("rate", "concurrency", "stages") if getattr(self, name) not in (None, ())]
        if not said:
            raise Fault("says not when requests come", "write {rate: 20/s} or {concurrency: 32}")
        if len(said) > 1:
            message = f"found {' and '.join(said)}"
            raise Fault(message, "write one: a rate, or callers that wait, or stages of either", (said[1],))
        if self.pattern == "gamma" and self.cv is None:
            raise Fault("gamma needs a cv", "write cv: 3 (bursty) or cv: 0.5 (even)", ("pattern",))
        if self.pattern != "gamma" and self.cv is not None:
            raise Fault(f"found a cv, but the pattern is {self.pattern}", "write pattern: gamma", ("cv",))
        rates = [each.rate for each in self.stages or (self,) if each.rate is not None]
        if rates and not any(each.mean for each in rates):
            raise Fault("the rate is 0 all the time", "write a rate like 20/s", (said[0],))
        if self.is_closed and (rates or self.pattern != "poisson"):
            message = (
                "found stages with a rate and with callers" if rates else f"callers that wait have no {self.pattern}"
            )
            raise Fault(message, "write rates in all stages, or concurrency in all of them", (said[0],))
        return self


class Prefix(Strict):
    """A beginning that many requests share."""

    tokens: Annotated[Length, about.PREFIX_TOKENS]
    count: Annotated[Count, about.PREFIXES] = 1
    zipf: Annotated[Zipf, about.ZIPF] = 0.0

    @model_validator(mode="after")
    def _bounded(self) -> Prefix:
        if self.count > MOST_PREFIXES:
            raise Fault(f"found {self.count}", f"write at most {MOST_PREFIXES}", ("count",))
        return self


class Sessions(Strict):
    """Conversations of several turns."""

    turns: Annotated[Length, about.TURNS]
    think: Annotated[Pause, about.THINK] = Pause.model_validate({"min": 0.0, "max": 0.0})


class Cancel(Strict):
    """Callers that leave early."""

    share: Annotated[Share, about.SHARE]
    after: Annotated[Length, about.AFTER] = Length.model_validate(1)


class Objectives(Strict):
    """What a request must keep to count as good; seconds in the code."""

    ttft: Annotated[Seconds | None, about.TTFT] = None
    itl: Annotated[Seconds | None, about.ITL] = None
    tpot: Annotated[Seconds | None, about.TPOT] = None
    e2e: Annotated[Seconds | None, about.E2E] = None


class Part(Strict):
    """One kind of requests in a mix."""

    weight: Annotated[Weight, about.WEIGHT] = 1.0
    model: Annotated[Text | None, about.MODEL] = None
    tenant: Annotated[Text | None, about.TENANT] = None
    adapter: Annotated[Text | None, about.ADAPTER] = None
    operation: Annotated[Operation | None, about.OPERATION] = None
    stream: Annotated[Flag | None, about.STREAM] = None
    prompt: Annotated[Length | None, about.PROMPT] = None
    output: Annotated[Length | None, about.OUTPUT] = None
    context: Annotated[Tokens | None, about.CONTEXT] = None
    prefix: Annotated[Prefix | None, about.PREFIX] = None
    sessions: Annotated[Sessions | None, about.SESSIONS] = None
    cancel: Annotated[Cancel | None, about.CANCEL] = None
    slo: Annotated[Objectives | None, about.SLO] = None


class TraceFile(_Written):
    """Recorded requests that are sent again."""

    file: Annotated[Path, about.FILE]
    format: Annotated[TraceFormat | None, about.FORMAT] = None
    speed: Annotated[Speed, about.SPEED] = 1.0
    start: Annotated[Wait, about.FROM, Field(alias="from")] = 0.0
    lasts: Annotated[Seconds | None, about.REPLAYED, Field(alias="for")] = None
    share: Annotated[Share | None, about.TRACE_SHARE] = None
    sessions: Annotated[Flag, about.KEEP_SESSIONS] = True
    models: Annotated[dict[str, Text], about.MODELS] = Field(default_factory=dict)


class Workload(_Written):
    """The requests that a server is to bear."""

    kind: Annotated[Literal["Workload"], about.KIND] = "Workload"
    name: Annotated[Name, about.NAME]
    model: Annotated[Text | None, about.MODEL] = None
    tenant: Annotated[Text | None, about.TENANT] = None
    adapter: Annotated[Text | None, about.ADAPTER] = None
    operation: Annotated[Operation, about.OPERATION] = "chat"
    stream: Annotated[Flag, about.STREAM] = True
    arrivals: Annotated[Arrivals | None, about.ARRIVALS] = None
    lasts: Annotated[Seconds | None, about.LASTS, Field(alias="for")] = None
    requests: Annotated[Count | None, about.REQUESTS] = None
    prompt: Annotated[Length | None, about.PROMPT] = None
    output: Annotated[Length | None, about.OUTPUT] = None
    context: Annotated[Tokens | None, about.CONTEXT] = None
    prefix: Annotated[Prefix | None, about.PREFIX] = None
    sessions: Annotated[Sessions | None, about.SESSIONS] = None
    cancel: Annotated[Cancel | None, about.CANCEL] = None
    mix: Annotated[tuple[Part, ...], about.MIX, Field(max_length=MOST_PARTS)] = ()
    trace: Annotated[TraceFile | None, about.TRACE] = None
    slo: Annotated[Objectives | None, about.SLO] = None
    warmup: Annotated[Wait | None, about.WARMUP] = None
    seed: Annotated[Seed, about.SEED] = 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """The kinds of its requests, each with all that it does not say itself; an embedding in a mix takes over
        nothing that only answers have."""
        own = {name: getattr(self, name) for name in Part.model_fields if name != "weight"}
        found = []
        for part in self.mix or (Part(),):
            said = {name: value for name, value in part if value is not None}
            is_odd = said.get("operation") == "embedding" and self.operation != "embedding"
            taken = {name: value for name, value in own.items() if not (is_odd and name in _OF_ANSWERS)}
            found.append(Part.model_construct(**taken | said))
        return tuple(found)

    @model_validator(mode="after")
    def _sound(self) -> Workload:
        if self.trace is not None:
            self._check_replay()
        else:
            self._check_arrivals()
            self._check_warmup()
            for number, part in enumerate(self.parts):
                _check_part(part, ("mix", str(number)) if self.mix else ())
        return self

    def _check_replay(self) -> None:
        for name in ("arrivals", "prompt", "output", "prefix", "sessions", "mix"):
            if getattr(self, name) not in (None, ()):
                raise Fault(f"stands beside a trace; {_NEITHER}", "or leave the trace out", (name,), of_key=True)
        _check_cancel(self.parts[0], ("cancel",))

    def _check_arrivals(self) -> None:
        if self.arrivals is None:
            raise Fault(
                "missing", "write arrivals: {rate: 20/s}, or trace: {file: ./azure.csv}", ("arrivals",), of_key=True
            )
        for name, key in (("lasts", "for"), ("requests", "requests")):
            if self.arrivals.stages and getattr(self, name) is not None:
                raise Fault("stands beside stages", "each stage says its own `for`: remove it", (key,), of_key=True)
        if self.lasts is not None and self.requests is not None:
            raise Fault("found requests and for", "write one of the two", ("requests",), of_key=True)
        rate = self.arrivals.rate
        if self.requests is not None and rate is not None and rate.is_ramp:
            raise Fault(f"found requests and a rate of {rate}", "a ramp needs a time: write for: 2m", ("requests",))

    def _check_warmup(self) -> None:
        if self.warmup is None or self.requests is not None or self.arrivals is None:
            return
        stages = sum(each.lasts for each in self.arrivals.stages)
        lasts = stages or self.lasts or DEFAULT_SECONDS
        if self.warmup >= lasts:
            message = f"found {format_duration(self.warmup)}, and the whole lasts {format_duration(lasts)}"
            raise Fault(message, "write less, or send for longer", ("warmup",))


def _check_part(part: Part, path: tuple[str, ...]) -> None:
    """What it lacks, or has that its operation has not."""
    if part.prompt is None:
        raise Fault("missing", "write prompt: 200, or quantiles: {p50: 200, p90: 900}", (*path, "prompt"), of_key=True)
    if part.operation == "embedding":
        for name in _OF_ANSWERS:
            if getattr(part, name) is not None:
                raise Fault("an embedding has none", "remove it, or write operation: chat", (*path, name), of_key=True)
    elif part.output is None:
        raise Fault("missing", "write output: 100, or quantiles: {p50: 100, p90: 400}", (*path, "output"), of_key=True)
    if part.operation == "completion" and part.sessions is not None:
        raise Fault("a completion has no turns", "write operation: chat", (*path, "sessions"), of_key=True)
    _check_cancel(part, (*path, "cancel"))


def _check_cancel(part: Part, path: tuple[str, ...]) -> None:
    if part.cancel is None:
        return
    if part.operation == "embedding":
        raise Fault("an embedding is not left early", "remove it", path, of_key=True)
    if part.stream is False:
        raise Fault(
            "tokens of an answer that is not streamed come all at once", "write stream: true", path, of_key=True
        )
