"""What each field of a Site means; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = [
    "CONTEXT",
    "COUNT",
    "CURRENCY",
    "DEFAULTS",
    "GPU",
    "INVENTORY",
    "KIND",
    "LABELS",
    "MIG",
    "NAME",
    "NAMESPACE",
    "PER_NODE",
    "PREEMPTIONS",
    "PRICE",
    "PRICED",
    "PRICES",
    "SPOT",
    "SPOT_COUNT",
    "SPOT_PRICE",
    "SPOT_PRICED",
]

_HOURLY = "money for an hour of one GPU"

KIND = field_about("Kind", "What this document describes.", "Site")
NAME = field_about(
    "Name",
    "What --on and the profiles of Models call it. Letters a-z, digits and -, at most 63.",
    "datacentre",
)
CONTEXT = field_about(
    "Context",
    "Of the kubeconfig, as kubectl config get-contexts names it. Left out: there is no cluster, only an inventory.",
    "kind-kind",
    "gke_acme_europe-west4_prod",
)
NAMESPACE = field_about(
    "Namespace",
    "Where Models, Routes and Apps go. Left out: the context's, else default.",
    "team-a",
)
DEFAULTS = field_about(
    "Defaults",
    "What a Model has there where it does not say it itself, as `headway up --on` sends it: source, engine, gpu, "
    "replicas, args, env and the other fields of a profile. args and env are laid under the Model's own key by key.",
    {"gpu": "L4", "env": {"HF_TOKEN": "secret:hf/token"}},
)
PRICES = field_about(
    "Prices",
    "What the GPUs of the cluster cost; the first entry that fits a node counts. Left out: the node's label "
    "headway.dev/price (an hour of the whole node), else the list price of the catalogue.",
    [{"gpu": "H100-SXM", "price": "2.5/h", "spot": {"price": "1.1/h", "preemptions": "0.05/h"}}],
    [{"gpu": "L4", "labels": {"pool": "reserved"}, "price": "0.3/h"}, {"gpu": "L4", "price": "0.7/h"}],
)
PRICED = field_about("Price", "What one costs, used or idle.", "2.5/h", unit=_HOURLY)
SPOT_PRICED = field_about(
    "Spot",
    "On nodes whose labels say that they are spot. Left out: the price as it is; a plan assumes 0.05 preemptions/h.",
    {"price": "1.1/h", "preemptions": "0.05/h"},
)
LABELS = field_about("Labels", "Only nodes that have all of these. Left out: all nodes.", {"pool": "reserved"})
CURRENCY = field_about(
    "Currency",
    "Of its prices, as ISO 4217 has it. List prices are in USD: with another currency each price must be given.",
    "USD",
    "EUR",
)
INVENTORY = field_about(
    "Inventory",
    "The GPUs that there are, or may be rented: a plan never takes more. An entry for each product. Left out: those "
    "of the cluster, as it is when the plan is made.",
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
