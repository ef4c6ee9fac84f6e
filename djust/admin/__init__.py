"""What Django admin shows of the maintenance service."""

from djust.admin.runs import MaintenanceRunAdmin

__all__ = ["MaintenanceRunAdmin"]
