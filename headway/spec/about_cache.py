"""What each field of a `cache` means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = ["CACHE", "EMBEDDINGS", "RESPONSES", "SHARED", "SIZE", "TTL", "WAIT", "WHICH"]

CACHE = field_about(
    "Cache",
    "Answers that the gateway keeps and gives again. Left out: none. An answer is given again to the Tenant that had "
    "it, of the Revision that wrote it, to a request that asks for the same in every field.",
    {"responses": {"size": "256MB", "ttl": "1h"}},
    {"embeddings": {"size": "1GB", "ttl": "7d", "shared": True}},
)
RESPONSES = field_about(
    "Responses",
    "Whole answers of chat/completions and completions. {} takes all defaults.",
    {"size": "256MB", "ttl": "1h"},
    {},
)
EMBEDDINGS = field_about(
    "Embeddings",
    "Single embeddings: of a list only the texts that are not kept go to the engine. {} takes all defaults.",
    {"size": "1GB", "ttl": "7d"},
    {},
)
SIZE = field_about(
    "Size",
    "Memory of the gateway that it may use, on each host, what it needs to find an answer counted in. When it is full "
    "the answer that was asked for longest ago goes first.",
    "256MB",
    unit="size: kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)",
)
TTL = field_about("Time to live", "An older answer is not given any more.", "1h", "7d", unit="duration: ms, s, m, h, d")
WAIT = field_about(
    "Wait",
    "Of equal requests at the same time one goes to the engine, and the others wait so long for its answer before they "
    "go themselves. 0s = they do not wait.",
    "10s",
    "0s",
    unit="duration: ms, s, m, h, d",
)
WHICH = field_about(
    "Which",
    "deterministic: only requests that ask for a repeatable answer, by temperature 0 or a seed. all: every request, so "
    "that who asks twice is told the same twice.",
    "deterministic",
    "all",
)
SHARED = field_about(
    "Shared",
    "Whether Tenants get each other's answers, among those alone whose own data.answers is shared.",
    False,
    True,
)
