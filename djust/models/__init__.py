"""What the maintenance service remembers, and what of the store Django admin can show."""

from djust.models.alerts import Alert, AlertMessage
from djust.models.monitor import MonitorState, Total
from djust.models.pages import LiveSession, Overview
from djust.models.runs import MaintenanceRun, SeededSchedule
from djust.models.samples import MemorySample, SessionLoss

__all__ = [
    "Alert",
    "AlertMessage",
    "LiveSession",
    "MaintenanceRun",
    "MemorySample",
    "MonitorState",
    "Overview",
    "SeededSchedule",
    "SessionLoss",
    "Total",
]
