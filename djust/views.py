"""Health of this server, for balancers and people. Trouble of the maintenance never takes a web server out."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from djust.conf import SETTING
from djust.exceptions import DjustError
from djust.monitoring.bounded import BoundedReader, Pending
from djust.monitoring.heartbeat import Heartbeat, heartbeat
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend

#: What exactly is wrong is said by the check, to those who run the server.
_MISCONFIGURED = f"{SETTING} cannot be used. Run manage.py check."

#: Said of maintenance when the database hangs.
TOO_SLOW = "The database does not answer in time, so nobody knows when maintenance last ran."

_HEARTBEAT = BoundedReader(heartbeat)


@never_cache
async def health(request: HttpRequest) -> JsonResponse:
    """Say how many sessions the store holds, 503 if it cannot be asked, and whether maintenance goes on."""
    pending = _HEARTBEAT.start()
    try:
        stats = await _stats(request, get_backend())
    except DjustError as error:
        return _unhealthy(str(error), maintenance=await _maintenance(pending))
    except ImproperlyConfigured:
        return _unhealthy(_MISCONFIGURED, maintenance=await _maintenance(pending))
    return JsonResponse(
        {
            "status": "healthy",
            "backend": stats["backend"],
            "sessions": stats["total_sessions"],
            "maintenance": await _maintenance(pending),
        }
    )


@never_cache
async def live(request: HttpRequest) -> JsonResponse:
    """Say that this process answers, whatever the store does."""
    return JsonResponse({"status": "alive"})


@never_cache
async def ready(request: HttpRequest) -> JsonResponse:
    """Say whether this server can serve LiveViews: 503 while the store cannot be reached."""
    try:
        report = await _health_check(request, get_backend())
    except ImproperlyConfigured:
        return _unhealthy(_MISCONFIGURED)
    if report["status"] != "healthy":
        return _unhealthy(report["error"])
    return JsonResponse({"status": "ready", "latency_ms": report["latency_ms"]})


# Under WSGI each request to an asynchronous view has an event loop of its own, and would connect anew.


async def _stats(request: HttpRequest, backend: StateBackend) -> dict[str, Any]:
    if isinstance(request, ASGIRequest):
        return await backend.aget_stats()
    return await sync_to_async(backend.get_stats)()


async def _health_check(request: HttpRequest, backend: StateBackend) -> dict[str, Any]:
    if isinstance(request, ASGIRequest):
        return await backend.ahealth_check()
    return await sync_to_async(backend.health_check)()


async def _maintenance(pending: Pending[Heartbeat]) -> dict[str, str]:
    """Say whether maintenance goes on, by the database, which is waited for no longer than a balancer would."""
    found = await pending.aget()
    if found is None:
        return {"status": "unknown", "detail": TOO_SLOW}
    return {"status": found.status, "detail": found.detail}


def _unhealthy(error: str, **more: Any) -> JsonResponse:
    return JsonResponse({"status": "unhealthy", "error": error, **more}, status=503)
