"""What Django admin shows of the store and of its maintenance."""

from djust.admin.alerts import AlertAdmin
from djust.admin.losses import SessionLossAdmin
from djust.admin.overview import OverviewAdmin
from djust.admin.runs import MaintenanceRunAdmin
from djust.admin.samples import MemorySampleAdmin
from djust.admin.sessions import LiveSessionAdmin

__all__ = [
    "AlertAdmin",
    "LiveSessionAdmin",
    "MaintenanceRunAdmin",
    "MemorySampleAdmin",
    "OverviewAdmin",
    "SessionLossAdmin",
]
