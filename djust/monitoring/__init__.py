"""Watches the store: samples, lost sessions, rules, alerts, and who is told."""
