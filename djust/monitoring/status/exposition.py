"""Figures in the text that Prometheus reads. Needs prometheus-client, an optional dependency: ``djust[metrics]``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from djust.monitoring.status.metrics import METRICS, Point


class Figures(Collector):
    """Hands out figures that were collected already."""

    def __init__(self, points: Iterable[Point]) -> None:
        self._points = list(points)

    def collect(self) -> Iterator[Family]:
        """Yield the families that have figures."""
        for name, metric in METRICS.items():
            found = [point for point in self._points if point.name == name]
            if not found:
                continue
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(name, metric.help, labels=metric.labels)
            for point in found:
                family.add_metric(point.labels, float(point.value))
            yield family


def render(points: Iterable[Point], accept: str = "") -> tuple[bytes, str]:
    """Return the text and its content type.

    Args:
        points: The figures.
        accept: The header ``Accept`` of whoever asks, to choose among Prometheus' formats.
    """
    encode, content_type = choose_encoder(accept)
    return encode(Figures(points)), content_type
