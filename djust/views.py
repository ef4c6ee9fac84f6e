"""Health of this server, for balancers and people. Trouble of the maintenance never takes a web server out."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from djust.exceptions import DjustError
from djust.state_backend.registry import get_backend


@never_cache
async def health(request: HttpRequest) -> JsonResponse:
    """Say how many sessions the store holds; 503 if it cannot be asked."""
    try:
        stats = await get_backend().aget_stats()
    except DjustError as error:
        return _unhealthy(error)
    return JsonResponse({"status": "healthy", "backend": stats["backend"], "sessions": stats["total_sessions"]})


@never_cache
async def live(request: HttpRequest) -> JsonResponse:
    """Say that this process answers, whatever the store does."""
    return JsonResponse({"status": "alive"})


@never_cache
async def ready(request: HttpRequest) -> JsonResponse:
    """Say whether this server can serve LiveViews: 503 while the store cannot be reached."""
    report = await get_backend().ahealth_check()
    if report["status"] != "healthy":
        return JsonResponse({"status": "unhealthy", "error": report["error"]}, status=503)
    return JsonResponse({"status": "ready", "latency_ms": report["latency_ms"]})


def _unhealthy(error: DjustError) -> JsonResponse:
    return JsonResponse({"status": "unhealthy", "error": str(error)}, status=503)
