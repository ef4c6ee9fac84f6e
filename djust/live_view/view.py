"""What the author of a LiveView writes a subclass of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path, iri_to_uri
from django.views import View

from djust.exceptions import InvalidArgument
from djust.live_view import first_page
from djust.live_view.runtime import IS_PATH, Navigation, Runtime


class LiveView(View):
    """A page whose state lives on the server.

    Its state is its public attributes: they are kept in the state backend, saved after every event and found again by
    whichever server the browser reaches next. Attributes with a leading underscore are not kept.

    Subclasses name a template, set their attributes in ``mount`` and change them in methods that ``event_handler``
    decorates. Those methods, ``mount`` and ``handle_params`` may be asynchronous.
    """

    #: The template of the whole page. The element with ``dj-root`` in it is what events update.
    template_name: ClassVar[str | None] = None
    #: Which attributes ``dj-model`` may set. ``None``: those that the template binds.
    allowed_model_fields: ClassVar[list[str] | None] = None
    #: Raise it when the meaning of the attributes changes and their names do not: open pages then start afresh.
    state_version: ClassVar[int] = 1

    request: HttpRequest

    def __init__(self, **configuration: Any) -> None:
        super().__init__(**configuration)
        #: What the runtime keeps with the view; no part of the state.
        self.djust = Runtime(frozenset(configuration))

    # For the author to override

    def mount(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Set the first state. Called once, when a browser asks for the page.

        Args:
            request: The request for the page.
            kwargs: What the URL pattern captured.

        Returns:
            Nothing, or a response that is sent instead of the page.
        """

    def handle_params(self, params: dict[str, str], uri: str) -> Any:
        """Follow the address: called after ``mount``, and whenever the address changes without a new page.

        Args:
            params: The query by name, the last value of each; ``self.request.GET`` has them all.
            uri: Path and query.
        """

    def handle_broadcast(self, topic: str, message: Any) -> Any:
        """Hear what was broadcast to a topic that this page subscribed to. The page is rendered again afterwards."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the template needs besides the public attributes, which it always has."""
        return dict(kwargs)

    # For the author to call

    def push_event(self, event: str, payload: Any = None) -> None:
        """Dispatch ``djust:push_event`` in the browser after the next update.

        Args:
            event: The ``event`` of its detail.
            payload: The ``payload`` of its detail: what JSON can say.

        Raises:
            InvalidArgument: JSON cannot say it.
        """
        try:
            json.dumps(payload, cls=DjangoJSONEncoder, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            raise InvalidArgument(
                "push_event carries what JSON can say: text, numbers, lists, dicts, dates."
            ) from None
        self.djust.pushed.append([event, {} if payload is None else payload])

    def live_patch(
        self, params: Mapping[str, Any] | None = None, path: str | None = None, replace: bool = False
    ) -> None:
        """Change the address and stay on this view: ``handle_params`` is called, ``mount`` is not.

        Args:
            params: The new query; ``None``: none.
            path: The new path; ``None``: the one that is shown.
            replace: Replace the entry in the browser's history instead of adding one.

        Raises:
            InvalidArgument: It leads to another site.
        """
        self._navigate("patch", path or "", params, replace)

    def live_redirect(self, path: str, params: Mapping[str, Any] | None = None, replace: bool = False) -> None:
        """Go to another page of this site, which is mounted afresh.

        Args:
            path: Its path, with or without a query.
            params: Its query.
            replace: Replace the entry in the browser's history instead of adding one.

        Raises:
            InvalidArgument: It leads to another site.
        """
        self._navigate("redirect", path, params, replace)

    def subscribe(self, topic: str) -> None:
        """Let ``handle_broadcast`` hear what is broadcast to ``topic``, on every server, while this page lives."""
        if not 0 < len(topic.encode()) <= 180:
            raise InvalidArgument("A topic is a text of 1 to 180 bytes.")
        self.djust.topics.add(topic)

    def unsubscribe(self, topic: str) -> None:
        """Hear no more of ``topic``."""
        self.djust.topics.discard(topic)

    def _navigate(self, kind: str, path: str, params: Mapping[str, Any] | None, replace: bool) -> None:
        parts = urlsplit(str(path))
        if parts.scheme or parts.netloc or not IS_PATH.match(parts.path or self.request.path):
            raise InvalidArgument(
                "live_patch and live_redirect stay on this site: give a path that starts with one slash."
            )
        query = urlencode(params, doseq=True) if params is not None else iri_to_uri(parts.query)
        where = iri_to_uri(parts.path) or escape_uri_path(self.request.path)
        url = where + (f"?{query}" if query else "")
        self.djust.navigation = Navigation(kind, url, replace)

    # For Django

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer with the whole page, whose state waits for its socket."""
        return first_page.respond(self, request, kwargs)
