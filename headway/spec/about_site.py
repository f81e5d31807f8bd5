"""What each field of a Site means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "COUNT",
    "CURRENCY",
    "GPU",
    "INVENTORY",
    "KIND",
    "MIG",
    "NAME",
    "PER_NODE",
    "PREEMPTIONS",
    "PRICE",
    "SPOT",
    "SPOT_COUNT",
    "SPOT_PRICE",
]

_HOURLY = "money for an hour of one GPU"

KIND = field_about("Kind", "What this document describes.", "Site")
NAME = field_about(
    "Name",
    "What --on and the profiles of Models call it. Letters a-z, digits and -, at most 63.",
    "datacentre",
)
CURRENCY = field_about(
    "Currency",
    "Of its prices, as ISO 4217 has it. List prices are in USD: with another currency each price must be given.",
    "USD",
    "EUR",
)
INVENTORY = field_about(
    "Inventory",
    "The GPUs that there are, or may be rented: a plan never takes more. An entry for each product.",
    [{"gpu": "H100-SXM", "count": 64, "per-node": 8, "price": "2.5/h"}],
    [{"gpu": "L4", "count": 16, "per-node": 4, "price": "0.44/h", "spot": {"price": "0.2/h", "preemptions": "0.1/h"}}],
)
GPU = field_about(
    "GPU",
    "A product of the catalogue (headway catalog gpus lists them), or its name as the driver says it.",
    "H100-SXM",
    "NVIDIA-L4",
)
COUNT = field_about("Count", "How many there are. 0 = none now.", 64, unit="GPUs")
PER_NODE = field_about(
    "Per node",
    "How many stand in one machine: a Replica never spans two. Left out: as the product is usually built.",
    8,
    unit="GPUs",
)
PRICE = field_about(
    "Price",
    "What one costs, used or idle. Left out: the list price of the catalogue, whose date a plan tells.",
    "2.5/h",
    "2.3 EUR/h",
    unit=_HOURLY,
)
SPOT = field_about(
    "Spot",
    "The same GPUs at a lower price, which may be taken away at any time.",
    {"price": "1.1/h", "preemptions": "0.05/h", "count": 32},
)
SPOT_PRICE = field_about("Price", "Of one on spot.", "1.1/h", unit=_HOURLY)
PREEMPTIONS = field_about(
    "Preemptions",
    "How often one is taken away: 0.05/h is once in 20 hours. A plan adds Replicas for the time until others are up.",
    "0.05/h",
    unit="an hour, of one GPU",
)
SPOT_COUNT = field_about(
    "Count", "How many may be had on spot, besides the others. Left out: as many as `count`.", 32, unit="GPUs"
)
MIG = field_about(
    "MIG",
    "true: these GPUs may be cut into slices of any profile. A list: only into these. Left out: whole GPUs only.",
    True,
    ["3g.40gb", "1g.10gb"],
)
