"""The documentation says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from djust.conf import Config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("example/*.md")])


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    defaults = {field.name.upper(): repr(getattr(Config(), field.name)) for field in fields(Config)}
    assert dict(rows) == {name: value.replace("'", '"') for name, value in defaults.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def test_the_logging_page_lists_every_event() -> None:
    code = "".join(path.read_text() for path in ROOT.glob("djust/**/*.py"))
    events = set(re.findall(r'logger\.(?:debug|info|warning|error)\(\s*"([a-z_]+)"', code))
    page = (ROOT / "docs/logging.md").read_text()
    assert {event for event in events if f"`{event}`" not in page} == set()
