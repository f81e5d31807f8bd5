"""What each field of a Workload means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "ADAPTER",
    "AFTER",
    "ARRIVALS",
    "CANCEL",
    "CONCURRENCY",
    "CONTEXT",
    "CV",
    "DISTRIBUTION",
    "E2E",
    "FILE",
    "FORMAT",
    "FROM",
    "ITL",
    "KEEP_SESSIONS",
    "KIND",
    "LASTS",
    "MAX",
    "MEAN",
    "MIN",
    "MIX",
    "MODEL",
    "MODELS",
    "NAME",
    "OPERATION",
    "OUTPUT",
    "PATTERN",
    "PAUSE_MAX",
    "PAUSE_MEAN",
    "PAUSE_MIN",
    "PREFIX",
    "PREFIXES",
    "PREFIX_TOKENS",
    "PROMPT",
    "QUANTILE",
    "RATE",
    "REPLAYED",
    "REQUESTS",
    "SD",
    "SEED",
    "SESSIONS",
    "SHARE",
    "SLO",
    "SPEED",
    "STAGES",
    "STAGE_LASTS",
    "STAGE_NAME",
    "STREAM",
    "TENANT",
    "THINK",
    "TPOT",
    "TRACE",
    "TRACE_SHARE",
    "TTFT",
    "TURNS",
    "WARMUP",
    "WEIGHT",
    "ZIPF",
]

_DURATION = "duration: ms, s, m, h, d"
_TOKENS = "tokens; k, M"
_LENGTH = "tokens: a number, a range, {mean, sd}, or quantiles"

KIND = field_about("Kind", "What this document describes.", "Workload")
NAME = field_about(
    "Name", "What reports call it. Letters a-z, digits and -, at most 63; nobody calls it.", "evening-chat"
)
MODEL = field_about(
    "Model",
    "What the requests send as `model`. Left out: `headway bench` is told by --model, or a trace names its own.",
    "chat",
)
OPERATION = field_about("Operation", "What is asked for.", "chat", "completion", "embedding")
TENANT = field_about("Tenant", "Whose key the requests have. Left out: the one key that is given.", "research")
ADAPTER = field_about("Adapter", "The adapter (LoRA) that is asked for. Left out: the Model itself.", "legal")
STREAM = field_about("Stream", "Whether answers are streamed. Embeddings never are. Left out: true.", True)

ARRIVALS = field_about(
    "Arrivals",
    "When requests come. A rate is kept whatever the server does (open loop); `concurrency` is a number of callers "
    "that each wait for their answer (closed loop), so that a slow server is asked less.",
    {"rate": "20/s"},
    {"rate": "20/s", "pattern": "gamma", "cv": 3},
    {"stages": [{"rate": "5..50/s", "for": "2m"}, {"rate": "50/s", "for": "5m"}]},
    {"concurrency": 32},
)
RATE = field_about(
    "Rate",
    "Requests, all turns of sessions counted. A range rises or falls in a straight line over its time.",
    "20/s",
    "600/min",
    "5..50/s",
    unit="requests: /s, /min, /h",
)
PATTERN = field_about(
    "Pattern",
    "constant: equal gaps. poisson: callers know nothing of each other. gamma: with `cv` burstier (above 1) or more "
    "even (below 1).",
    "poisson",
    "constant",
    "gamma",
)
CV = field_about(
    "Coefficient of variation",
    "Of the gaps, for gamma: their standard deviation, divided by their mean.",
    3,
    0.5,
    unit="0.01 to 100",
)
CONCURRENCY = field_about(
    "Concurrency",
    "Callers that wait for their answer and ask again at once, or after thinking.",
    32,
    unit="callers",
)
STAGES = field_about(
    "Stages",
    "Several stretches of time, one after the other, each with its own rate or, in all of them, its own concurrency.",
    [{"name": "morning", "rate": "5..50/s", "for": "2m"}, {"rate": "50/s", "for": "5m"}],
)
STAGE_NAME = field_about("Name", "What reports call it. Left out: its number.", "morning")
STAGE_LASTS = field_about("For", "How long it lasts.", "2m", unit=_DURATION)
LASTS = field_about(
    "For",
    "How long requests are sent. Left out: 60s, or as many `requests` as are asked for, or what stages and trace say.",
    "60s",
    "10m",
    unit=_DURATION,
)
REQUESTS = field_about(
    "Requests",
    "How many are sent, in place of a time. With a rate the time then is by chance; of a trace, the first so many.",
    1000,
    "10k",
    unit="requests; k, M",
)
PROMPT = field_about(
    "Prompt",
    "What each question has of its own: a shared prefix and a session's earlier turns come on top.",
    {"p50": 1020, "p90": 2700, "p99": 4000},
    200,
    "100..2000",
    {"mean": 500, "sd": 400, "max": "4k"},
    unit=_LENGTH,
)
OUTPUT = field_about(
    "Output",
    "How long answers are. The server is asked for exactly that, where its API can.",
    {"p50": 129, "p90": 400, "p99": 700},
    100,
    "50..200",
    unit=_LENGTH,
)
CONTEXT = field_about(
    "Context",
    "The model's window: prompt and answer together. A question that would not fit loses its end, and a session ends "
    "before it. Left out: nothing is looked at.",
    "8k",
    unit=_TOKENS,
)
MEAN = field_about("Mean", "Before it is cut at min and max.", 200, unit="tokens")
SD = field_about("Standard deviation", "Before it is cut at min and max.", 100, unit="tokens")
DISTRIBUTION = field_about("Distribution", "The law with this mean and sd. Left out: lognormal.", "lognormal", "normal")
MIN = field_about("Least", "No fewer. Left out: 1.", 10, unit=_TOKENS)
MAX = field_about("Most", "No more. Left out: no bound but the law's own.", "4k", unit=_TOKENS)
QUANTILE = field_about(
    "Quantile",
    "So many percent are no longer. Between two of them the law is lognormal, and the ends go on as their neighbours.",
    1020,
    unit=_TOKENS,
)
PREFIX = field_about(
    "Prefix",
    "A beginning that many requests share (a system prompt, a document): it stands before the prompt.",
    {"tokens": 800, "count": 20, "zipf": 1},
)
PREFIX_TOKENS = field_about("Tokens", "How long the beginnings are; each has one length for good.", 800, unit=_LENGTH)
PREFIXES = field_about("Count", "How many different beginnings there are.", 20, unit="prefixes; k")
ZIPF = field_about(
    "Zipf",
    "How unlike they are in use: the k-th is used 1/k^zipf times as often as the first. 0: all alike.",
    1,
    0.8,
    unit="0 to 5",
)
SESSIONS = field_about(
    "Sessions",
    "Conversations: each later turn holds all earlier questions and answers, and is asked after the answer before it.",
    {"turns": "1..8", "think": {"mean": "10s"}},
)
TURNS = field_about("Turns", "Questions of a session.", "1..8", 4, {"p50": 3, "p90": 12}, unit="turns, as a length")
THINK = field_about(
    "Think",
    "From the end of an answer to the next question: a duration, a range, or the mean of an exponential law.",
    {"mean": "10s"},
    "10s",
    "5s..20s",
    unit=_DURATION,
)
PAUSE_MEAN = field_about("Mean", "Of an exponential law: any moment is as likely as the next.", "10s", unit=_DURATION)
PAUSE_MIN = field_about("Least", "No shorter.", "5s", unit=_DURATION)
PAUSE_MAX = field_about("Most", "No longer.", "20s", unit=_DURATION)
CANCEL = field_about("Cancel", "Callers that leave before their answer is whole.", {"share": "5%", "after": "1..50"})
SHARE = field_about("Share", "Of the requests.", "5%", unit="%")
AFTER = field_about(
    "After", "Tokens of the answer that have come by then; at most all but one.", "1..50", 20, unit=_LENGTH
)
MIX = field_about(
    "Mix",
    "Several kinds of requests side by side. What a part does not say is as the Workload says it.",
    [{"weight": 9, "prompt": 200}, {"weight": 1, "model": "big", "prompt": "4k", "tenant": "research"}],
)
WEIGHT = field_about("Weight", "Its share of the requests, among the weights of all.", 9, 0.5, unit="above 0")
TRACE = field_about(
    "Trace",
    "Recorded requests are sent again: their times, lengths, shared beginnings and sessions. It stands in place of "
    "arrivals, prompt, output, prefix, sessions and mix.",
    {"file": "./azure.csv", "speed": 20},
)
FILE = field_about(
    "File", "Where it is; .gz is read too. A relative path is seen from the folder of this file.", "./azure.csv"
)
FORMAT = field_about("Format", "What wrote it. Left out: it is seen from the file.", "azure", "burstgpt", "mooncake")
SPEED = field_about("Speed", "How many times faster than it was.", 20, 0.5, unit="times")
FROM = field_about("From", "Where to begin, in the trace's own time since its first request.", "1h", unit=_DURATION)
REPLAYED = field_about("For", "How much of it, in the trace's own time. Left out: to its end.", "10m", unit=_DURATION)
TRACE_SHARE = field_about(
    "Share", "Only so much of it, by whole sessions, chosen by the seed. Left out: all.", "10%", unit="%"
)
KEEP_SESSIONS = field_about(
    "Sessions",
    "true: a session's later question waits for the answer before it and for as long as its caller thought, at the "
    "trace's speed. false: every request goes out at its recorded time.",
    True,
)
MODELS = field_about(
    "Models",
    "Which model stands for which of the trace's. Left out: the Workload's `model`, else the trace's own.",
    {"ChatGPT": "small", "GPT-4": "big"},
)
SLO = field_about(
    "Limits",
    "What a request must keep to count as good. Each request is judged alone, and one that fails is not good.",
    {"ttft": "500ms", "itl": "50ms"},
)
TTFT = field_about("Time to first token", "From when it was due to its first token.", "500ms", unit=_DURATION)
ITL = field_about("Inter-token latency", "The mean gap between its tokens as they come.", "50ms", unit=_DURATION)
TPOT = field_about("Time per output token", "(e2e - ttft) / (tokens - 1).", "50ms", unit=_DURATION)
E2E = field_about("End to end", "From when it was due to its end.", "10s", unit=_DURATION)
WARMUP = field_about(
    "Warm-up", "How much of the beginning is not counted. Left out: it is found.", "10s", unit=_DURATION
)
SEED = field_about("Seed", "The same seed gives the same requests at the same times.", 1, unit="0 or more")
