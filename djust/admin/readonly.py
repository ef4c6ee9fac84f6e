"""Lists of what the service wrote down, which nobody edits."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """Takes away from a ``ModelAdmin`` whatever writes."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Nobody adds a row by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows go with age."""
        return False
