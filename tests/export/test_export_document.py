"""The YAML of an export: every reader reads the same, and each reason stands beside what it explains."""

from __future__ import annotations

import io
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.objects.derived import Derived

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(
        ["on", "Off", "y", "1e3", "0o7", "010", "1:30", "~", "=", "a: b", "- x", "# no", "x\ny\n", "2\n\n"]
    )
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(["a/b~c", "on", "x"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def read_1_2(text: str) -> list[Any]:
    reader = YAML(typ="safe", pure=True)
    return list(reader.load_all(io.StringIO(text)))


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5), st.text())
def test_readers_of_both_yamls_read_what_was_written(manifest: dict[str, Any], note: str) -> None:
    derived = Derived(manifest, {"/x": "a reason", "/x/0": "of the first"}, note)
    text = text_of([derived, Derived({"kind": "Second"})], ["above", ""])
    assert list(yaml.safe_load_all(text)) == [manifest, {"kind": "Second"}]
    assert read_1_2(text) == [manifest, {"kind": "Second"}]


def test_a_reason_stands_above_its_value_and_a_note_above_its_object() -> None:
    manifest = {
        "kind": "Deployment",
        "metadata": {"name": "chat", "labels": {"headway.dev/model": "chat"}},
        "spec": {"replicas": 2, "containers": [{"name": "engine", "args": ["--port", "8000"], "env": []}]},
        "data": {"config.yaml": "a: 1\n\nb: 2\n"},
    }
    why = {
        "/spec/replicas": "as the file says",
        "/spec/containers/0/name": "its engine",
        "/spec/containers/0/args/1": "vLLM's own",
        "/metadata/labels/headway.dev~1model": "found by it",
    }
    assert (
        text_of([Derived(manifest, why, "What serves chat.\n  - a: rule")], ["headway export"])
        == """\
# headway export
---
# What serves chat.
#   - a: rule
kind: Deployment
metadata:
  name: chat
  labels:
    # found by it
    headway.dev/model: chat
spec:
  # as the file says
  replicas: 2
  containers:
  # its engine
  - name: engine
    args:
    - --port
    # vLLM's own
    - "8000"
    env: []
data:
  config.yaml: |
    a: 1

    b: 2
"""
    )
