"""Watches the store: samples, lost sessions, rules, alerts, and who is told."""

from djust.monitoring.info import check_evictions, sample_memory

__all__ = ["check_evictions", "sample_memory"]
