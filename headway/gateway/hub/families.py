"""Metric families for prometheus-client, from rows of label values and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from headway.gateway.counts import OTHER, Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["LABELS_MAX", "PREFIX", "bounded", "counter", "gauge", "histograms"]

PREFIX = "headway_gateway_"
LABELS_MAX = 1000
"""Values of one label, then `other`: what llm-d's picker allows, too."""
Rows = Iterable[tuple[Sequence[str], float]]


def counter(name: str, help_text: str, labels: Sequence[str], rows: Rows, *, prefix: str = PREFIX) -> Metric:
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    family = CounterMetricFamily(prefix + name, help_text, labels=labels)
    for values, value in rows:
        family.add_metric(list(values), value)
    return family


def gauge(name: str, help_text: str, labels: Sequence[str], rows: Rows, *, prefix: str = PREFIX) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    family = GaugeMetricFamily(prefix + name, help_text, labels=labels)
    for values, value in rows:
        family.add_metric(list(values), value)
    return family


def histograms(
    name: str,
    help_text: str,
    labels: Sequence[str],
    rows: Iterable[tuple[Sequence[str], Histogram]],
    *,
    prefix: str = PREFIX,
) -> Metric:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily(prefix + name, help_text, labels=labels)
    for values, found in rows:
        family.add_metric(list(values), *_buckets(found))
    return family


def bounded(numbers: Mapping[str, float]) -> Iterator[tuple[Sequence[str], float]]:
    """The first LABELS_MAX by themselves, the rest together."""
    rows = list(numbers.items())
    yield from (([label], count) for label, count in rows[:LABELS_MAX])
    if len(rows) > LABELS_MAX:
        yield [OTHER], sum(count for _, count in rows[LABELS_MAX:])


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, as the format wants them, and the sum."""
    total, buckets = 0, []
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets, histogram.total
