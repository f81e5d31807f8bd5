"""What each field of a Tenant means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "ANSWERS",
    "BUDGET",
    "CACHE",
    "DATA",
    "DAY",
    "KIND",
    "LIMITS",
    "LOG",
    "MEMBERS",
    "MODELS",
    "MONTH",
    "NAME",
    "PARALLEL",
    "PRIORITY",
    "RPM",
    "TPM",
    "WEIGHT",
]

KIND = field_about("Kind", "What this document describes.", "Tenant")
NAME = field_about(
    "Name",
    "Who it is: a team, a product, a customer. Letters a-z, digits and -, at most 63; no Model has the same name.",
    "research",
)
MEMBERS = field_about(
    "Members",
    "Names or e-mail addresses of the people, or group:NAME, for the record; whoever has a key of the tenant uses it. "
    "On a cluster: the users and groups that may work in its namespace.",
    ["ana", "ben@example.com", "group:research"],
)
MODELS = field_about(
    "Models",
    "Which models it may use: names, or patterns in which * stands for any characters. Left out: all.",
    ["chat", "embed-*"],
)
LIMITS = field_about(
    "Limits",
    "How fast and how much at once, over all its keys. Left out: no limit.",
    {"rpm": 600, "tpm": "200k", "parallel": 20},
)
RPM = field_about(
    "Requests a minute",
    "A bucket that holds one minute's worth and is refilled evenly, so a tenant that paused may use that much at once.",
    600,
    "1.5k",
    unit="requests a minute",
)
TPM = field_about(
    "Tokens a minute",
    "Prompt and answer, likewise. What a request may use is reserved while it runs, what it did not use returns.",
    "200k",
    unit="tokens a minute",
)
PARALLEL = field_about("Parallel", "Requests that may run at once.", 20, unit="requests")
BUDGET = field_about(
    "Budget",
    "How much in all, each period in tokens or in money. Never overshot: what a request may use is reserved first.",
    {"day": "2M", "month": "50 USD"},
)
DAY = field_about(
    "A day",
    "Tokens (with k, M, G or the word) or money (a plain number or with the currency), from midnight to midnight UTC. "
    "Money needs a price at each Model that the tenant may use.",
    "2M",
    "500 tokens",
    "50 USD",
    2.5,
    unit="tokens, or USD",
)
MONTH = field_about("A month", "Likewise, from the first of the month UTC.", "50 USD", "100M", unit="tokens, or USD")
PRIORITY = field_about(
    "Priority",
    "Who waits goes before all of a lower priority. A header may lower it for a request and never raise it.",
    "normal",
    "high",
    "low",
)
WEIGHT = field_about(
    "Weight",
    "The share among tenants of the same priority that want more than there is: 2 gets twice what 1 gets.",
    1,
    0.5,
    2,
)
DATA = field_about("Data", "What is kept about its requests.", {"log": "none"})
LOG = field_about(
    "Log",
    "metadata: of each request its time, model, status, tokens and where it went, for headway explain REQUEST-ID. "
    "none: nothing about single requests, only sums. What was asked and answered goes into no log.",
    "metadata",
    "none",
)
ANSWERS = field_about(
    "Answers",
    "Where a Model's cache may keep its answers. none: nowhere. own: for this Tenant alone. shared: where the cache of "
    "the Model is shared, also for the other Tenants that say shared. Left out: own, or none where log is none.",
    "own",
    "none",
    "shared",
)
CACHE = field_about(
    "Prefix cache",
    "own: the gateway never chooses a Replica for what others have sent there. shared: it does, among all tenants that "
    "share, which is faster where they send the same long prompts. Engines that know cache_salt (vLLM, SGLang) "
    "keep own apart inside too; the cache inside others is not divided by this.",
    "own",
    "shared",
)
