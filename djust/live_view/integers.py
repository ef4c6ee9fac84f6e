"""Whole numbers in templates, which Django looks at closely where there is nothing to see."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.template.base import Template, VariableNode, render_value_in_context
from django.template.context import Context


class QuickVariableNode(VariableNode):
    """Renders what Django renders. Whole numbers take a short cut.

    For each of them Django asks for the language and for three formats of it, of which none can change a whole number
    without ``USE_THOUSAND_SEPARATOR``: in a list of some hundred numbers that is half of the time of its rendering.
    """

    def render(self, context: Context) -> Any:
        """Return the value as HTML."""
        try:
            output = self.filter_expression.resolve(context)
        except UnicodeDecodeError:
            # As Django does it: a text that is no Unicode shows as nothing.
            return ""
        if type(output) is int and not settings.USE_THOUSAND_SEPARATOR:
            return str(output)
        return render_value_in_context(output, context)


_done: WeakSet[Template] = WeakSet()


def quicken(template: Any) -> None:
    """Let a template of Django's own engine render its whole numbers quickly, those of included ones excepted."""
    compiled = getattr(template, "template", None)
    if not isinstance(compiled, Template) or compiled in _done:
        return
    for node in compiled.nodelist.get_nodes_by_type(VariableNode):
        if type(node) is VariableNode:
            node.__class__ = QuickVariableNode
    _done.add(compiled)
