"""What each field of a Route means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "BUDGET",
    "CACHE",
    "EQUALS",
    "FALLBACK",
    "HEADER",
    "KIND",
    "MATCH",
    "MODEL",
    "MOST",
    "NAME",
    "ON",
    "PREFER",
    "RATE",
    "SHADOW",
    "SHARE",
    "SLO",
    "TO",
    "WEIGHT",
    "WITHIN",
]

KIND = field_about("Kind", "What this document describes.", "Route")
NAME = field_about(
    "Name",
    "What callers send as `model`. Models and Routes have one namespace: a name stands once.",
    "assistant",
)
TO = field_about(
    "To",
    "The Models that share the requests, by weight. The same user gets the same Model each time.",
    [{"model": "big", "weight": 90}, {"model": "small", "weight": 10}],
)
MODEL = field_about("Model", "The name of a Model.", "big")
WEIGHT = field_about(
    "Weight", "Its share of the requests, among the weights of all. 0 = none.", 90, 0.5, 0, unit="any number"
)
MATCH = field_about(
    "Match",
    "Requests with such a header go to this Model, whatever the weights say. The first that fits counts.",
    [{"header": "x-team", "equals": "research", "model": "big"}],
)
HEADER = field_about("Header", "The name of a header of the request.", "x-team")
EQUALS = field_about("Equals", "Its whole value.", "research")
FALLBACK = field_about(
    "Fallback",
    "Models that are asked in this order when the one before cannot answer. Never once an answer has begun.",
    [{"model": "small"}, {"model": "provider", "budget": {"day": "5 USD"}}],
)
ON = field_about(
    "On",
    "error: its engines fail, answer with status 5xx, or there are none that answer now. saturated: all its places are "
    "taken, or it answers with 429. deadline: nothing of its answer came `within` its time. Left out: all three.",
    ["error", "saturated"],
)
BUDGET = field_about(
    "Budget",
    "What this Route may spend on this Model, in tokens or in money (which needs its price). When it is spent, the "
    "Model is passed over until the next day or month (UTC). Never overshot, as the budget of a Tenant.",
    {"day": "5 USD", "month": "50 USD"},
)
WITHIN = field_about(
    "Within",
    "How long a Model has to begin its answer before a fallback on `deadline` is asked. An answer that is not streamed "
    "begins when it is whole. Left out: half of the time that the request has left.",
    "10s",
    unit="duration: ms, s, m, h, d",
)
PREFER = field_about(
    "Prefer",
    "cheapest: of the Models under `to` the cheapest that can answer now and is predicted to meet `slo`; weights do "
    "not count then. When none meets it, the one that is predicted to begin its answer first. Each needs a price.",
    "cheapest",
)
SLO = field_about("Latency limits", "For `prefer: cheapest`.", {"ttft": "500ms", "itl": "50ms"})
SHADOW = field_about(
    "Shadow",
    "A part of the requests is copied to a Model whose answer is thrown away, to see how it does. It is charged to "
    "nobody, delays nobody, and ends first when there is a queue.",
    {"model": "candidate", "share": "5%", "most": 4},
)
CACHE = field_about(
    "Cache",
    "Answers that the gateway keeps of what is asked under this name, each for the Model that gave it, apart from what "
    "the Models' own caches keep. Left out: the caches of the Models are used, where they have some.",
    {"responses": {"size": "256MB", "ttl": "1h"}},
)
SHARE = field_about("Share", "Of the requests of this Route.", "5%", "0.5%", unit="%")
MOST = field_about("Most", "Copies that may run at once, on the whole host.", 4, unit="requests")
RATE = field_about("Rate", "Copies a minute at most, on the whole host.", 60, "1k", unit="requests a minute")
