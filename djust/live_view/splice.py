"""What differs between two texts, as splices: the smallest thing to send that turns one into the other."""

from __future__ import annotations

#: Replace ``removed`` code units from ``start`` on by a text.
Splice = tuple[int, int, str]

#: A middle shorter than this is not worth being looked into.
_WORTH_LINES = 200
#: Two changes with fewer equal characters between them are sent as one.
_WORTH_APART = 24


def splices_between(old: str, new: str) -> list[Splice]:
    """Return the splices that turn ``old`` into ``new``, in ascending order of where they start in ``old``.

    Offsets count UTF-16 code units, as strings in JavaScript do. Where both texts have the same number of lines, each
    run of changed lines is a splice of its own; elsewhere there is one splice from the first change to the last.
    """
    if old == new:
        return []
    start = _common_prefix(old, new)
    end = _common_suffix(old, new, start)
    spans = [(start, len(old) - end, start, len(new) - end)]
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if min(len(old_middle), len(new_middle)) > _WORTH_LINES and old_middle.count("\n") == new_middle.count("\n"):
        spans = _by_lines(old_middle, new_middle, start)
    splices = [(a, b - a, new[c:d]) for a, b, c, d in spans]
    return splices if old.isascii() else _in_code_units(old, splices)


def apply_splices(text: str, splices: list[Splice]) -> str:
    """Return ``text`` with splices applied: what the browser does, in Python."""
    units = text.encode("utf-16-le")
    for start, removed, inserted in reversed(splices):
        units = units[: 2 * start] + inserted.encode("utf-16-le") + units[2 * (start + removed) :]
    return units.decode("utf-16-le")


def _common_prefix(old: str, new: str) -> int:
    """Return how many characters are equal at the beginning. Halving compares memory, which is faster than a loop."""
    low, high = 0, min(len(old), len(new))
    if old[:high] == new[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _common_suffix(old: str, new: str, prefix: int) -> int:
    low, high = 0, min(len(old), len(new)) - prefix
    if high and old[len(old) - high :] == new[len(new) - high :]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle
    return low


def _by_lines(old: str, new: str, offset: int) -> list[tuple[int, int, int, int]]:
    """Return where runs of different lines lie, as (start, end) in either text. Both start at ``offset``."""
    spans: list[tuple[int, int, int, int]] = []
    at_old = at_new = offset
    for old_line, new_line in zip(old.split("\n"), new.split("\n"), strict=True):
        end_old, end_new = at_old + len(old_line), at_new + len(new_line)
        if old_line != new_line:
            prefix = _common_prefix(old_line, new_line)
            suffix = _common_suffix(old_line, new_line, prefix)
            span = (at_old + prefix, end_old - suffix, at_new + prefix, end_new - suffix)
            if spans and span[0] - spans[-1][1] < _WORTH_APART:
                span = (spans[-1][0], span[1], spans[-1][2], span[3])
                spans[-1] = span
            else:
                spans.append(span)
        at_old, at_new = end_old + 1, end_new + 1
    return spans


def _in_code_units(old: str, splices: list[Splice]) -> list[Splice]:
    converted = []
    at = units = 0
    for start, removed, inserted in splices:
        units += _units(old[at:start])
        width = _units(old[start : start + removed])
        converted.append((units, width, inserted))
        at, units = start + removed, units + width
    return converted


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
