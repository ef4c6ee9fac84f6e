"""Alerts: rules over what a check found, the life of an alert, and who is told."""
