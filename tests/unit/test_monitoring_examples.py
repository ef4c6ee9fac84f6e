"""The examples for Prometheus and Grafana, and the page of the metrics, name what the endpoint shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import reverse

from djust.monitoring.status.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "example/monitoring"
DASHBOARD: dict[str, Any] = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((EXAMPLES / "prometheus-rules.yml").read_text())["groups"]
    for rule in group["rules"]
]

#: A name, and the labels that are asked of it.
_SELECTOR = re.compile(r"\b(djust_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
#: What Prometheus adds itself.
_TARGET = {"instance", "job"}


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where an expression stands, and the expression."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_every_expression_asks_for_what_there_is(place: str, expression: str) -> None:
    found = _SELECTOR.findall(expression)
    assert found, expression
    labels: set[str] = set()
    for name, matchers in found:
        assert name in METRICS, name
        known = {*METRICS[name].labels, *_TARGET}
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= known
        labels |= known
        # A counter means nothing but by how it grows.
        assert (METRICS[name].kind == "counter") == bool(re.search(rf"(?:rate|increase)\({name}\b", expression))
    for grouping in _GROUPING.findall(expression):
        assert set(re.split(r"\s*,\s*", grouping)) <= labels


def test_the_dashboard_shows_every_part() -> None:
    names = {
        name for panel in DASHBOARD["panels"] for t in panel["targets"] for name, _ in _SELECTOR.findall(t["expr"])
    }
    assert set(METRICS) - names == {
        "djust_build_info",
        "djust_server_policy_info",
        "djust_maintenance_interval_seconds",
        "djust_server_memory_fragmentation_ratio",
    }
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def test_rules_say_who_is_meant_and_what_is_wrong() -> None:
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"]
        assert rule["annotations"]["summary"]
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_the_scrape_goes_where_the_metrics_are() -> None:
    config = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())
    [scrape] = config["scrape_configs"]
    assert scrape["metrics_path"] == reverse("djust:metrics")
    assert config["rule_files"] == ["prometheus-rules.yml"]


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(djust_\w+)(?:\{([\w, ]+)\})?` \| (\w+) \| (.+) \|$", page, re.MULTILINE)
    listed = {name: (kind, meaning, tuple(filter(None, labels.split(", ")))) for name, labels, kind, meaning in rows}
    assert listed == {name: (metric.kind, metric.help, metric.labels) for name, metric in METRICS.items()}
