"""A person who works in Django admin over HTTP."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx


class FormFields(HTMLParser):
    """The fields of the first form with the given id, as a browser would send them."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self._form_id = form_id
        self._inside = False
        self._select: str | None = None
        self._textarea: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = values.get("id") == self._form_id
        if not self._inside:
            return
        name = values.get("name", "")
        if tag == "input" and values.get("type") in ("checkbox", "radio"):
            if "checked" in values:
                self.fields[name] = values.get("value") or "on"
        elif tag == "input" and values.get("type") != "submit":
            self.fields[name] = values.get("value", "")
        elif tag == "select":
            self._select = name
            self.fields.setdefault(name, "")
        elif tag == "option" and self._select and "selected" in values:
            self.fields[self._select] = values.get("value", "")
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        """See ``HTMLParser``."""
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None

    def handle_data(self, data: str) -> None:
        """See ``HTMLParser``."""
        if self._textarea is not None:
            self.fields[self._textarea] += data.removeprefix("\n")


class AdminBrowser:
    """Logs in at once."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.client = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
        self.client.get("/admin/login/")
        page = self.post("/admin/login/", {"username": username, "password": password, "next": "/admin/"})
        assert "/admin/login/" not in str(page.url), page.text

    def post(self, path: str, fields: dict[str, Any]) -> httpx.Response:
        """Send a form."""
        token = self.client.cookies["csrftoken"]
        page = self.client.post(
            path, data={**fields, "csrfmiddlewaretoken": token}, headers={"Referer": str(self.client.base_url)}
        )
        assert page.status_code == 200, page.text
        return page

    def edit(self, path: str, form_id: str, **changes: str | None) -> httpx.Response:
        """Open a change form, change some fields (``None``: leave it out) and save it."""
        parser = FormFields(form_id)
        parser.feed(self.client.get(path).text)
        fields = {**parser.fields, **changes}
        page = self.post(path, {name: value for name, value in fields.items() if value is not None})
        assert "errornote" not in page.text, page.text
        return page
