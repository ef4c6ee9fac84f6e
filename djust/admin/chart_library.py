"""Chart.js, served from where the package ``chartkick`` keeps it, so that a page needs no other server for it."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.metadata import version
from importlib.resources import files

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

_YEAR_SECONDS = 365 * 86_400


def library_version() -> str:
    """Return what changes when the file changes, for its address."""
    return version("chartkick")


def serve_library(request: HttpRequest) -> HttpResponse:
    """Answer with the script, compressed where the browser takes that. Its address holds its version."""
    plain, compressed = _script()
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(compressed if takes_gzip else plain, content_type="text/javascript; charset=utf-8")
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = f"private, max-age={_YEAR_SECONDS}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


@cache
def _script() -> tuple[bytes, bytes]:
    plain = files("chartkick").joinpath("django", "static", "chartkick", "Chart.bundle.js").read_bytes()
    return plain, gzip.compress(plain, mtime=0)
