"""What a template is made of, with those that it extends and includes, as far as it can be told without rendering."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.template import Node, Template, TemplateDoesNotExist
from django.template.backends.django import Template as DjangoTemplate
from django.template.base import TextNode
from django.template.library import SimpleNode
from django.template.loader import get_template
from django.template.loader_tags import ExtendsNode, IncludeNode

from djust.templatetags.live_tags import djust_client_config

ROOT = "dj-root"
CONFIG = "{% djust_client_config %}"


def missing_in(template_name: str) -> list[str]:
    """Return what the template of a LiveView lacks: nothing where a part of it is chosen only when it is rendered.

    Raises:
        TemplateDoesNotExist: There is no such template, or none of those that it extends.
        Exception: It cannot be compiled; tags of a project may raise anything.
    """
    template = get_template(template_name)
    if not isinstance(template, DjangoTemplate):
        return []
    found: set[str] = set()
    if not _look(template.template, found, {template_name}):
        return []
    return [part for part in (ROOT, CONFIG) if part not in found]


def _look(template: Template, found: set[str], seen: set[str]) -> bool:
    """Add to ``found`` what a template has; return whether all of it could be seen."""
    known = True
    for node in _nodes(template):
        if isinstance(node, TextNode) and ROOT in node.s:
            found.add(ROOT)
        elif isinstance(node, SimpleNode) and node.func is djust_client_config:
            found.add(CONFIG)
        elif isinstance(node, ExtendsNode):
            known &= _look_into(_name_in(node.parent_name), template, found, seen)
        elif isinstance(node, IncludeNode):
            known &= _look_into_part(_name_in(node.template), template, found, seen)
    return known


def _nodes(template: Template) -> Iterator[Node]:
    for node in template.nodelist:
        yield from node.get_nodes_by_type(Node)


def _name_in(expression: Any) -> str | None:
    """Return the name that stands in ``{% extends %}`` or ``{% include %}``; ``None`` where it is computed."""
    name = expression.var
    return name if isinstance(name, str) and not expression.filters else None


def _look_into(name: str | None, template: Template, found: set[str], seen: set[str]) -> bool:
    if name is None:
        return False
    if name in seen:
        return True
    seen.add(name)
    return _look(template.engine.get_template(name), found, seen)


def _look_into_part(name: str | None, template: Template, found: set[str], seen: set[str]) -> bool:
    try:
        return _look_into(name, template, found, seen)
    except TemplateDoesNotExist:
        # Django looks for what is included only when it renders it, which may never happen.
        return False
