"""The smallest thing to send that turns one text into another."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from djust.live_view.splice import apply_splices, splices_between

#: Letters of one, two, three and four bytes in UTF-8; of one and two code units; some that combine.
LETTERS = st.text(st.sampled_from("ab\n <é€😀🅐\u0301\u200d👩"), max_size=40) | st.text(max_size=20)
LINES = st.lists(LETTERS, max_size=30)


def check(old: str, new: str) -> list[tuple[int, int, str]]:
    splices = splices_between(old, new)
    assert apply_splices(old, splices) == new
    end = 0
    units = len(old.encode("utf-16-le")) // 2
    for start, removed, _inserted in splices:
        assert end <= start <= start + removed <= units
        end = start + removed
    return splices


@settings(deadline=None, max_examples=300)
@given(LETTERS, LETTERS)
@example("", "")
@example("😀", "😁")
@example("a😀", "a")
@example("é", "e\u0301")
@example("aaaa", "aaa")
@example("abab", "ab")
def test_any_text_becomes_any_other(old: str, new: str) -> None:
    check(old, new)
    assert check(old, old) == []


@settings(deadline=None, max_examples=300)
@given(lines=LINES, edits=st.lists(st.tuples(st.integers(0, 29), LETTERS), max_size=5), pad=st.integers(0, 60))
def test_many_lines_with_some_changed(lines: list[str], edits: list[tuple[int, str]], pad: int) -> None:
    old = [f"{'x' * pad}{line}" for line in lines]
    new = list(old)
    for at, text in edits:
        if at < len(new):
            new[at] = text
    check("\n".join(old), "\n".join(new))


@settings(deadline=None, max_examples=300)
@given(text=st.text(min_size=1, max_size=60), cut=st.integers(0, 60), width=st.integers(0, 10), put=LETTERS)
def test_one_change_is_one_small_splice(text: str, cut: int, width: int, put: str) -> None:
    new = text[:cut] + put + text[cut + width :]
    splices = check(text, new)
    assert len(splices) <= 1
    for _start, removed, inserted in splices:
        assert removed <= 2 * width
        assert len(inserted) <= len(put)


def rows(**changed: str) -> str:
    return "\n".join(f"<li>{changed.get(f'r{number}', f'Row {number} 😀')}</li>" for number in range(100))


def test_two_changes_far_apart_are_two_splices() -> None:
    splices = check(rows(), rows(r3="Other", r90="Another"))
    assert len(splices) == 2
    assert sum(len(inserted) for _, _, inserted in splices) < 40
    assert splices[0][2].startswith("Other")


def test_changes_side_by_side_are_one_splice() -> None:
    assert len(check(rows(), rows(r30="A", r31="B", r32="C"))) == 1


def test_lines_that_come_and_go_are_one_splice() -> None:
    old = rows()
    lines = old.split("\n")
    assert len(check(old, "\n".join([*lines[:50], "<li>New</li>", *lines[50:]]))) == 1
    assert len(check(old, "\n".join(lines[:50] + lines[51:]))) == 1
    assert len(check(old, "\n".join(reversed(lines)))) >= 1


@pytest.mark.parametrize("size", [199, 200, 201, 400])
def test_both_sides_of_the_size_that_is_looked_into(size: int) -> None:
    old = f"a\n{'x' * size}\nb"
    check(old, f"c\n{'x' * size}\nd")
    check(old, f"c\n{'x' * size}\n😀")
    check(f"😀\n{'x' * size}\n😀", f"😁\n{'x' * size}\n😁")
