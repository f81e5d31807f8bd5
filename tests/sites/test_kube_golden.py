"""What users see: the objects of typical Models on typical clusters, word for word, each value with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.facts import Facts
from tests.support import schemas
from tests.support.golden import golden
from tests.support.kube import BARE, CLOUD, DRA, EDGE, UNKNOWN, derived

FOLDER = Path(__file__).parents[1] / "manifests" / "derived"
QWEN = "hf://Qwen/Qwen2.5-7B-Instruct@main"
LLAMA = "hf://meta-llama/Llama-3.1-70B-Instruct"
HF = {"HF_TOKEN": "secret:hf/token"}

CASES: dict[str, tuple[Facts, dict[str, Any]]] = {
    "nothing-known": (UNKNOWN, {"source": QWEN}),
    "shared-claim-and-spot": (
        CLOUD, {"source": QWEN, "gpu": "24GB..", "env": HF, "cost": {"spot": "prefer"}, "priority": "production"},
    ),
    "two-nodes-lws": (CLOUD, {"source": LLAMA, "gpu": "H100:16", "env": HF, "weights": {"cache": "none"}}),
    "two-nodes-alone": (BARE, {"source": LLAMA, "gpu": "H100:16", "engine": "sglang"}),
    "slice-by-plugin": (CLOUD, {"source": "hf://BAAI/bge-m3", "gpu": "mig-1g.10gb"}),
    "gpu-by-dra": (DRA, {"source": QWEN, "gpu": "H100:2"}),
    "share-at-the-edge": (EDGE, {"source": "hf://Qwen/Qwen2.5-1.5B-Instruct", "gpu": 0.25}),
    "cores-at-the-edge": (EDGE, {"source": "builtin://smollm2-135m-instruct"}),
    "image-volume": (CLOUD, {"source": "oci://quay.io/org/qwen:1.0/models", "gpu": 1}),
    "claim-and-amd": (BARE, {"source": "pvc://models/qwen", "gpu": "MI300X", "engine": "sglang"}),
    "streamed": (BARE, {"source": "s3://models/qwen", "gpu": 1, "env": {"AWS_ACCESS_KEY_ID": "secret:s3/id"}}),
    "tpu": (BARE, {"source": QWEN, "gpu": "v6e:4"}),
    "embedder": (BARE, {"source": "builtin://all-minilm-l6-v2"}),
    "two-variants": (
        CLOUD, {"source": QWEN, "variants": [{"name": "h100", "gpu": "H100"}, {"name": "l4", "gpu": "L4"}]},
    ),
    "the-pods-own-fields": (
        BARE,
        {"source": "builtin://mock", "image": "registry.example.com/headway:1",
         "pod": {"nodeSelector": {"pool": "ml"}, "serviceAccountName": "reader", "securityContext": {"fsGroup": 5}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_derived_as_before(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_IMAGE", "headway:test")
    facts, written = CASES[case]
    golden(FOLDER / f"{case}.yaml", text_of(derived(facts, **written)))


@pytest.mark.parametrize("case", CASES)
def test_each_fits_the_published_schemas(case: str) -> None:
    facts, written = CASES[case]
    schemas.check(*(each.manifest for each in derived(facts, **written)))
