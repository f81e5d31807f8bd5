"""What each field means that only a cluster reads; `about` says how these words are used."""

from __future__ import annotations

from headway.spec.about import field_about

__all__ = ["CACHE", "CLASS", "COST", "IMAGE", "MAX", "POD", "PRIORITY", "SIZE", "SPOT", "WEIGHTS"]

IMAGE = field_about(
    "Image",
    "The container image of the engine on a cluster, with a tag or digest. It must have the engine's usual command. "
    "Left out: the release of the engine that this version of Headway was made for.",
    "vllm/vllm-openai:v0.12.0",
    "registry.example.com/ml/vllm@sha256:0000000000000000000000000000000000000000000000000000000000000000",
)
PRIORITY = field_about(
    "Priority",
    "The PriorityClass of its pods on a cluster. Left out: the cluster's default.",
    "production",
)
COST = field_about("Cost", "What it may cost, and on which kind of machines it may run.", {"max": "3/h"})
MAX = field_about(
    "Most",
    "What all its Replicas together may cost at most: `headway plan` chooses nothing dearer.",
    "3/h",
    "2.5 EUR/h",
    unit="money for an hour",
)
SPOT = field_about(
    "Spot",
    "Machines that cost less and may be taken away. prefer: those first, else others. only: those alone. never: others "
    "alone. Left out: wherever there is room without its asking, which most clusters keep spot machines out of.",
    "prefer",
    "only",
    "never",
)
WEIGHTS = field_about(
    "Weights",
    "How the weights reach the pods of a cluster. Left out: by what the cluster offers (docs/objects.md).",
    {"cache": "volume"},
)
CACHE = field_about(
    "Cache",
    "volume: one claim that many nodes can read, filled once. replica: a claim of each Replica's own, kept over "
    "restarts. image: the source is an OCI image that is mounted. stream: the engine reads them from the bucket "
    "itself. none: each start fetches them anew.",
    "volume",
    "replica",
    "image",
    "stream",
    "none",
)
CLASS = field_about(
    "Class", "The StorageClass of the claim. Left out: one that fits, else the cluster's default.", "fast-shared"
)
SIZE = field_about(
    "Size",
    "Of the claim, or of the node's disk that a fetch takes. Left out: by the weights, where the catalogue knows them.",
    "200GB",
    unit="size: kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)",
)
POD = field_about(
    "Pod",
    "Fields of the pod's spec on a cluster as Kubernetes has them, laid over what Headway derives: a mapping key by "
    "key, a list as a whole. For what no field here says; nothing of Headway reads it.",
    {"nodeSelector": {"pool": "inference"}},
    {"imagePullSecrets": [{"name": "registry"}]},
)
