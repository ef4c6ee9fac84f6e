"""Whole numbers look as Django shows them, whatever the settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.template import engines
from django.test import override_settings
from django.utils import translation

from djust.live_view.integers import QuickVariableNode, quicken

SOURCE = (
    "{% load l10n %}{{ n }} {{ n|add:1 }} {{ n|floatformat }} {% localize on %}{{ n }}{% endlocalize %} "
    "{% localize off %}{{ n }}{% endlocalize %} {{ n|unlocalize }} "
    "{% for m in many %}{{ m }},{{ forloop.counter }};{% endfor %}"
)
VALUES: list[Any] = [0, -7, 1234567, 10**30, True, None, 1.5, 1e21, Decimal("1234567.89"), "7", "<b>", ""]


@pytest.mark.parametrize("separator", [False, True])
@pytest.mark.parametrize("language", ["en", "de", "ar", "hi", None])
def test_it_is_what_django_renders(separator: bool, language: str | None) -> None:
    quick, plain = engines["django"].from_string(SOURCE), engines["django"].from_string(SOURCE)
    quicken(quick)
    with override_settings(USE_THOUSAND_SEPARATOR=separator):
        for value in VALUES:
            context = {"n": value, "many": VALUES}
            if language is None:
                translation.deactivate_all()
                assert quick.render(context) == plain.render(context)
                translation.deactivate()
            else:
                with translation.override(language):
                    assert quick.render(context) == plain.render(context)


def test_every_variable_of_the_template_is_quick() -> None:
    template = engines["django"].from_string(SOURCE)
    quicken(template)
    quicken(template)
    nodes = template.template.nodelist.get_nodes_by_type(QuickVariableNode)
    assert len(nodes) == SOURCE.count("{{")
