"""Health of this server, for balancers and people, and figures for Prometheus.

Trouble of the maintenance is told, and never takes a web server out.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from djust.conf import get_config
from djust.exceptions import DjustError
from djust.live_view import draining
from djust.monitoring.status import metrics as figures
from djust.monitoring.status.bounded import BoundedReader, Pending
from djust.monitoring.status.heartbeat import Heartbeat, heartbeat
from djust.monitoring.status.summary import MISCONFIGURED, TOO_SLOW, read_store
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend

try:
    from djust.monitoring.status.exposition import render
except ImportError:
    _CAN_RENDER = False
else:
    _CAN_RENDER = True

NOT_INSTALLED = 'The metrics need prometheus-client, which is not installed here: pip install "djust[metrics]"'

_HEARTBEAT = BoundedReader(heartbeat)
_DATABASE = BoundedReader(figures.read_database)


@never_cache
async def health(request: HttpRequest) -> JsonResponse:
    """Say how many sessions the store holds, 503 if it cannot be asked, and whether maintenance goes on."""
    pending = _HEARTBEAT.start()
    try:
        stats = await _stats(request, get_backend())
    except DjustError as error:
        return _unhealthy(str(error), maintenance=await _maintenance(pending))
    except ImproperlyConfigured:
        return _unhealthy(MISCONFIGURED, maintenance=await _maintenance(pending))
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
    """Say whether this server takes visitors: 503 while the store cannot be reached, and from SIGTERM on."""
    draining.watch()
    if draining.is_draining():
        return _unhealthy("This server is about to end.")
    try:
        report = await _health_check(request, get_backend())
    except ImproperlyConfigured:
        return _unhealthy(MISCONFIGURED)
    if report["status"] != "healthy":
        return _unhealthy(report["error"])
    return JsonResponse({"status": "ready", "latency_ms": report["latency_ms"]})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show the figures to Prometheus: those of the database and the store, whichever of them answers."""
    try:
        token = get_config().metrics_token
    except ImproperlyConfigured:
        return _plain(MISCONFIGURED, 503)
    if token is not None and not _presents(request, token):
        return _plain("Authorization: Bearer <METRICS_TOKEN> is needed.", 401, {"WWW-Authenticate": "Bearer"})
    if not _CAN_RENDER:
        return _plain(NOT_INSTALLED, 501)
    pending = _DATABASE.start()
    store = read_store()
    body, content_type = render(figures.points(pending.get(), store), request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


def _presents(request: HttpRequest, token: str) -> bool:
    """Whether a request carries the token, compared in a time that tells nothing about it."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    sent = presented.strip().encode("latin-1", "replace")
    return scheme.lower() == "bearer" and bool(sent) and constant_time_compare(sent, token.encode())


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


def _plain(text: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, headers=headers, content_type="text/plain; charset=utf-8")
