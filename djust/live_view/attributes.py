"""The state of a view: its public attributes."""

from __future__ import annotations

import dis
import hashlib
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from django.utils.functional import cached_property as django_cached_property

from djust.codec.refusal import find_unsupported
from djust.live_view.errors import PageStale

#: What Django's ``View`` keeps on an instance, and what the runtime adds to a stored state.
NOT_STATE = frozenset({"request", "args", "kwargs", "head", "djust"})
#: The one key of a stored state that is no attribute: names of attributes have no leading underscore.
RUNTIME_KEY = "_live"


def public_attributes(view: Any) -> dict[str, Any]:
    """Return the attributes that are the state of ``view``: those without a leading underscore.

    What ``as_view(name=value)`` was given is configuration, and no state; neither is what a ``cached_property`` keeps.
    """
    no_state = view.djust.configuration | _computed(view.__class__)
    return {
        name: value
        for name, value in vars(view).items()
        if name[0] != "_" and name not in NOT_STATE and name not in no_state
    }


def forget_computed(view: Any) -> None:
    """Forget what a ``cached_property`` keeps: it holds for one event, on whichever server that happens."""
    for name in _computed(view.__class__):
        vars(view).pop(name, None)


@cache
def _computed(view_class: Any) -> frozenset[str]:
    return frozenset(
        name
        for name in dir(view_class)
        if isinstance(inspect.getattr_static(view_class, name), (cached_property, django_cached_property))
    )


def explain(view: Any, state: Mapping[str, Any]) -> str:
    """Return which attribute cannot be stored, why, and what to do."""
    for name, value in state.items():
        problem = find_unsupported({name: value})
        if not problem.startswith("state: it contains itself") or _is_deep(value):
            where = problem.replace(f"state[{name!r}]", f"{type(view).__name__}.{name}", 1)
            if where != problem:
                return (
                    f"{where} Keep what it takes to find it again, an id for example, and build the rest in "
                    "get_context_data(); or give the attribute a leading underscore, and it is not kept at all."
                )
    return f"The state of {type(view).__name__} cannot be stored: {find_unsupported(dict(state))}"


def _is_deep(value: Any) -> bool:
    return isinstance(value, (dict, list, tuple, set, frozenset))


@cache
def shape_of(view_class: Any) -> str:
    """Return a short text that differs where two releases of a view class have other fields.

    The fields are the public names that the class's own methods assign to ``self``, and ``state_version``.
    """
    names = sorted({name for function in _methods(view_class) for name in _assigned(function)})
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
    return f"{view_class.state_version}-{digest}"


def _methods(view_class: type) -> Iterator[types.FunctionType]:
    for base in view_class.__mro__:
        if base.__module__.split(".", 1)[0] in ("builtins", "django"):
            continue
        if base.__module__.startswith("djust.live_view"):
            continue
        for attribute in vars(base).values():
            function = inspect.unwrap(attribute) if callable(attribute) else attribute
            if isinstance(function, types.FunctionType):
                yield function


def _assigned(function: types.FunctionType) -> Iterable[str]:
    """Return the public names that a function assigns on its first argument."""
    code = function.__code__
    if not code.co_argcount:
        return
    self_name = code.co_varnames[0]
    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":
            continue
        if (
            instruction.opname == "STORE_ATTR"
            and before is not None
            and before.opname.startswith("LOAD_")
            and _last(before.argval) == self_name
            and not instruction.argval.startswith("_")
        ):
            yield instruction.argval
        before = instruction


def _last(name: Any) -> Any:
    """Return the name that is loaded last: since Python 3.13 one instruction can load two."""
    return name[-1] if isinstance(name, tuple) else name


def restore(view: Any, state: Mapping[str, Any]) -> None:
    """Give ``view`` the public attributes of a stored state, and no others.

    Raises:
        PageStale: What was an attribute when it was stored is computed by this release.
    """
    for name in public_attributes(view):
        delattr(view, name)
    computed = _computed(view.__class__)
    for name, value in state.items():
        if name == RUNTIME_KEY:
            continue
        if name in computed or isinstance(inspect.getattr_static(view.__class__, name, None), property):
            raise PageStale
        setattr(view, name, value)
