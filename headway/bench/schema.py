"""The shapes of `summary.json`: what `summarise` returns, the table prints and the report draws.

Every field says what it is; docs/bench-json.md is written from these very sentences. Times are seconds, rates are per
second. There is no NaN and no infinity in the JSON: null means that there is no such number, and the field says why.
A field that is added raises the minor number of `SCHEMA_VERSION`, one that changes its meaning the major one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "SCHEMA_VERSION",
    "Attainment",
    "Distribution",
    "Figures",
    "Finding",
    "Formula",
    "GeneratorFigures",
    "Goodput",
    "Growth",
    "Interval",
    "Latencies",
    "Part",
    "Rate",
    "Reason",
    "Requests",
    "Slo",
    "Summary",
    "Tokens",
    "Verdict",
    "Window",
    "Word",
]

SCHEMA_VERSION = "1.0"

Word = Literal["VALID", "OVERLOADED", "FAILED", "INVALID"]


class Interval(Struct, frozen=True):
    """Where the true value lies with 95 % confidence."""

    low: Annotated[float | None, Meta(description="null: the requests are too few to bound it from below")]
    high: Annotated[
        float | None, Meta(description="null: too few requests, or too many that failed, to bound it from above")
    ]


class Distribution(Struct, frozen=True):
    """One measure over requests (of `itl`: over tokens). Percentiles are nearest-rank: the smallest sample that at
    least so large a part of all samples does not exceed; nothing is interpolated."""

    count: Annotated[int, Meta(description="samples that have a value")]
    beyond: Annotated[int, Meta(description="failed requests: longer than any that was answered, in the percentiles")]
    mean: Annotated[float | None, Meta(description="of the samples that have a value; null: there are none")] = None
    p50: Annotated[float | None, Meta(description="null: no samples, or so many failed that it is one of them")] = None
    p75: Annotated[float | None, Meta(description="as p50")] = None
    p90: Annotated[float | None, Meta(description="as p50")] = None
    p95: Annotated[float | None, Meta(description="as p50")] = None
    p99: Annotated[float | None, Meta(description="as p50")] = None
    max: Annotated[float | None, Meta(description="of the samples that have a value")] = None
    intervals: Annotated[dict[str, Interval], Meta(description="by percentile: its 95 % confidence interval")] = field(
        default_factory=dict
    )
    thin: Annotated[
        list[str], Meta(description="percentiles that lean on the very last sample, as there are too few for them")
    ] = field(default_factory=list)


class Latencies(Struct, frozen=True):
    """Seconds; `formulas` says how each is computed."""

    ttft_sched: Annotated[Distribution, Meta(description="time to the first token from when the request was due")]
    ttft_send: Annotated[Distribution, Meta(description="time to the first token from when it was sent")]
    tpot: Annotated[Distribution, Meta(description="time per output token after the first, one value a request")]
    itl: Annotated[Distribution, Meta(description="time between tokens, one value a token, of all requests together")]
    ntpot: Annotated[Distribution, Meta(description="whole time by tokens of output, one value a request")]
    e2e_sched: Annotated[Distribution, Meta(description="time to the whole answer from when the request was due")]
    e2e_send: Annotated[Distribution, Meta(description="time to the whole answer from when it was sent")]
    connect: Annotated[Distribution, Meta(description="from when it was taken up to when it was sent: the connection")]


class Requests(Struct, frozen=True):
    """Counts of the requests that were due in the window, whenever they ended."""

    due: Annotated[int, Meta(description="should have been sent in the window")]
    sent: Annotated[int, Meta(description="of those, were sent")]
    answered: Annotated[int, Meta(description="whole answers with a 2xx status")]
    failed: Annotated[int, Meta(description="neither answered nor cancelled: each is a miss of every limit")]
    cancelled: Annotated[
        int, Meta(description="by the workload itself: no failure, and in none of the latencies or limits")
    ]
    unsent: Annotated[int, Meta(description="due, yet never taken up by the generator; also among the failed")]
    failures: Annotated[dict[str, int], Meta(description="the failed by what happened: an HTTP status or a short word")]


class Rate(Struct, frozen=True):
    """Requests a second."""

    asked: Annotated[float | None, Meta(description="null: a closed loop or a trace asks for no rate")]
    realised: Annotated[float, Meta(description="due in the window, by its length")]
    realised_interval: Annotated[Interval, Meta(description="of the realised rate, by the law of arrivals")]
    answered: Annotated[float, Meta(description="answered within the window, whenever they were due, by its length")]
    answered_interval: Annotated[Interval, Meta(description="of the answered rate, as of a Poisson count")]
    in_flight: Annotated[float, Meta(description="requests that were due and had not ended, the mean over the window")]


class Attainment(Struct, frozen=True):
    """A share of requests."""

    inside: Annotated[int, Meta(description="requests that kept it")]
    of: Annotated[int, Meta(description="requests that were asked")]
    share: Annotated[float | None, Meta(description="inside / of; null: of nothing")]
    interval: Annotated[
        Interval, Meta(description="Wilson's, at the effective number of requests, as neighbours in time are alike")
    ]


class Goodput(Struct, frozen=True):
    """What was inside the limits. A request is inside when every limit that applies to it is kept."""

    rate: Annotated[float, Meta(description="requests a second that were due in the window and inside every limit")]
    output_rate: Annotated[float, Meta(description="their output tokens a second")]
    inside: Annotated[Attainment, Meta(description="of all that were due, without those that the workload cancelled")]
    each: Annotated[dict[str, Attainment], Meta(description="by limit: of the requests that it applies to")]


class Tokens(Struct, frozen=True):
    """By the server's own usage, of the answered requests that were due in the window."""

    input: Annotated[int, Meta(description="tokens of prompts, cached ones too")]
    output: Annotated[int, Meta(description="tokens of answers")]
    cached: Annotated[int, Meta(description="tokens of prompts that the server had in a cache")]
    cached_share: Annotated[float | None, Meta(description="cached / input; null: no answer told of cached tokens")]
    input_rate: Annotated[float, Meta(description="input tokens a second, counted when a request's first token came")]
    output_rate: Annotated[
        float, Meta(description="output tokens a second in the window: a request's are spread from first to last")
    ]
    without_usage: Annotated[int, Meta(description="answers without usage: their tokens are in none of these")]
    shorter: Annotated[int, Meta(description="answers with fewer output tokens than were asked for")]
    longer: Annotated[int, Meta(description="answers with more")]
    sized: Annotated[
        dict[str, int],
        Meta(description="streams by how a chunk's tokens are known: told, by its share of bytes, or taken as one"),
    ]


class Figures(Struct, frozen=True):
    """Everything that is measured of one set of requests."""

    seconds: Annotated[float, Meta(description="length of the window that the rates are of")]
    requests: Annotated[Requests, Meta(description="counts")]
    rate: Annotated[Rate, Meta(description="asked, realised, answered")]
    tokens: Annotated[Tokens, Meta(description="counts and rates of tokens")]
    latency: Annotated[Latencies, Meta(description="how long things took")]
    goodput: Annotated[Goodput | None, Meta(description="null: no limits were given")] = None


class Part(Struct, frozen=True):
    """A part of the run: a stage, or what has one model, tenant, adapter or operation."""

    name: Annotated[str, Meta(description="of the part, or of the measure")]
    figures: Annotated[Figures, Meta(description="as of the whole")]


class Growth(Struct, frozen=True):
    """How what waits (due and not ended) changed through a window."""

    at_start: Annotated[int, Meta(description="requests that waited when the window began")]
    at_end: Annotated[int, Meta(description="requests that waited when it ended")]
    rate: Annotated[float, Meta(description="(at_end - at_start) / seconds")]
    interval: Annotated[Interval, Meta(description="of the rate, by the means of batches of the window")]
    growing: Annotated[bool, Meta(description="more than chance explains")]
    slower: Annotated[bool, Meta(description="later requests took longer, as they do not when a window only fills")]
    lengthening: Annotated[
        float | None,
        Meta(description="seconds a request took longer for each second it came later; null: some never ended"),
    ] = None


class Window(Struct, frozen=True):
    """What of a stage is counted: requests that were due from `start` to `end`, whenever they ended."""

    stage: Annotated[str, Meta(description="its name")]
    begun: Annotated[float, Meta(description="when the stage began")]
    start: Annotated[float, Meta(description="from when on requests count, seconds since second 0")]
    end: Annotated[float, Meta(description="when its arrivals ended")]
    rule: Annotated[
        Literal["explicit", "mser-5", "first-round", "none"],
        Meta(description="what set `start`: the warmup asked for, what waited, a closed loop's first round, nothing"),
    ]
    asked: Annotated[float | None, Meta(description="requests a second; null: a closed loop or a trace")] = None
    concurrency: Annotated[int | None, Meta(description="callers of a closed loop; null: an open one")] = None
    growth: Annotated[Growth | None, Meta(description="null: a closed loop, or too few requests to tell")] = None


class GeneratorFigures(Struct, frozen=True):
    """How the generator itself fared; a run is INVALID when this is not good enough."""

    processes: Annotated[int, Meta(description="that made the load")]
    cpu: Annotated[float, Meta(description="seconds of CPU, of all processes")]
    cpu_share: Annotated[float, Meta(description="of one core, the busiest process that sends, over the whole load")]
    cpu_peak: Annotated[float, Meta(description="of one core, the busiest process that sends, in its busiest second")]
    send_lag: Annotated[Distribution, Meta(description="from when a request was due to when it was taken up")]
    loop_delay_p99: Annotated[float | None, Meta(description="how late the event loop was, the worst process")]
    loop_delay_max: Annotated[float | None, Meta(description="the longest; null: not measured")] = None


class Reason(Struct, frozen=True):
    """Why the verdict is what it is."""

    code: Annotated[str, Meta(description="a word that stays the same")]
    text: Annotated[str, Meta(description="a sentence with the numbers")]
    numbers: Annotated[dict[str, float], Meta(description="those of the sentence")] = field(default_factory=dict)


class Verdict(Struct, frozen=True):
    """Whether the figures may be believed, and whether the server kept up."""

    word: Annotated[
        Word,
        Meta(
            description="VALID; OVERLOADED: the server did not keep up, the figures stand; FAILED: it answered errors"
            " that load does not explain, the figures stand; INVALID: the figures are not to be used"
        ),
    ]
    exit_code: Annotated[int, Meta(description="of the command: 0 VALID, 1 OVERLOADED and FAILED, 4 INVALID")]
    reasons: Annotated[list[Reason], Meta(description="the first ones are those of the word; empty when VALID")]
    cautions: Annotated[list[str], Meta(description="what a reader should know besides")] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The word and its first reason, as one line."""
        return f"{self.word}: {self.reasons[0].text}" if self.reasons else self.word


class Finding(Struct, frozen=True):
    """One comparison of what the server says with what the client counted."""

    code: Annotated[str, Meta(description="a word that stays the same")]
    text: Annotated[str, Meta(description="a sentence with both numbers and the bound")]
    agrees: Annotated[bool | None, Meta(description="null: it cannot be told")]
    server: Annotated[float | None, Meta(description="what the server says; null: nothing")] = None
    client: Annotated[float | None, Meta(description="what was counted here; null: nothing")] = None


class Formula(Struct, frozen=True):
    """How a measure is computed."""

    name: Annotated[str, Meta(description="of the part, or of the measure")]
    unit: Annotated[str, Meta(description="s, 1/s, tokens/s, share or requests")]
    formula: Annotated[str, Meta(description="over the fields of a record (headway.bench.record)")]
    of: Annotated[str, Meta(description="which requests have it, and what a failed one counts as")]


class Slo(Struct, frozen=True, omit_defaults=True):
    """Limits (a service level objective), and whose: the first Slo whose named fields fit a request is its own."""

    ttft: Annotated[float | None, Meta(description="seconds from when it was due to the first token")] = None
    itl: Annotated[float | None, Meta(description="seconds that at most 5 % of its gaps between tokens exceed")] = None
    tpot: Annotated[float | None, Meta(description="seconds per output token after the first")] = None
    e2e: Annotated[float | None, Meta(description="seconds from when it was due to the whole answer")] = None
    model: Annotated[str | None, Meta(description="null: any")] = None
    tenant: Annotated[str | None, Meta(description="null: any")] = None
    adapter: Annotated[str | None, Meta(description="null: any")] = None
    operation: Annotated[str | None, Meta(description="null: any")] = None


class Summary(Struct, frozen=True):
    """A whole run."""

    schema_version: Annotated[str, Meta(description="of this shape")]
    headway: Annotated[str, Meta(description="version that made the load")]
    target: Annotated[str, Meta(description="address of the server")]
    workload: Annotated[str, Meta(description="its name")]
    seed: Annotated[int, Meta(description="of the schedule: the same workload and seed ask the same again")]
    started_at: Annotated[float, Meta(description="Unix time of second 0")]
    seconds: Annotated[float, Meta(description="from second 0 to when the last answer ended")]
    verdict: Annotated[Verdict, Meta(description="whether all this may be believed")]
    slo: Annotated[list[Slo], Meta(description="the limits; empty: none were given")]
    windows: Annotated[list[Window], Meta(description="by stage: what is counted")]
    whole: Annotated[Figures, Meta(description="all windows together")]
    generator: Annotated[GeneratorFigures, Meta(description="how the generator itself fared")]
    stages: Annotated[list[Part], Meta(description="empty when there is one stage only")]
    models: Annotated[list[Part], Meta(description="empty when there is one only; so are the three below")]
    tenants: Annotated[list[Part], Meta(description="by tenant")]
    adapters: Annotated[list[Part], Meta(description="by adapter; the name is empty where there is none")]
    operations: Annotated[list[Part], Meta(description="by operation: chat, completion, embedding")]
    server: Annotated[list[Finding], Meta(description="server counters beside the client's; empty: none were read")]
    formulas: Annotated[dict[str, Formula], Meta(description="by the name of the measure")]
