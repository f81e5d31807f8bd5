"""`--piece metrics-adapter`: what prometheus-adapter must know for the HPAs of `--as kubernetes`."""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import UsageError
from headway.sites.kubernetes.export.load import METRIC, adapter_rule, load_of
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import MANAGED
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["adapter"]


def adapter(wish: Wish) -> Iterator[Derived]:
    """A whole configuration of the adapter, as its Deployment mounts it."""
    loads = dict.fromkeys(filter(None, (load_of(way.revision.engine) for way in wish.ways)))
    if not loads:
        raise UsageError("--piece metrics-adapter: no engine of the file tells its load", hint="leave the piece out")
    text = "rules:\n" + "".join(adapter_rule(each) for each in loads)
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "adapter-config", "namespace": "monitoring", "labels": {MANAGED: "headway"}},
        "data": {"config.yaml": text},
    }
    note = (
        f"prometheus-adapter: {METRIC} of a pod. With the Helm chart put the list under rules.custom instead, beside "
        "the rules that are there: this ConfigMap is the whole of them."
    )
    yield Derived(manifest, {}, note)
