"""Where the live part of a page lies."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djust.live_view.errors import ViewError
from djust.live_view.rendering import find_root, inner_html

VIEW = SimpleNamespace(template_name="page.html")


@pytest.mark.parametrize(
    ("page", "inner"),
    [
        ("<div dj-root>a</div>", "a"),
        ("<div dj-root></div>", ""),
        ("<div dj-root><div>a<div>b</div></div>c</div><div>d</div>", "<div>a<div>b</div></div>c"),
        ("<main><div>x</div><div dj-root>a</div></main>", "a"),
        ("<body dj-root>a<p>b</p></body></html>", "a<p>b</p>"),
        ('<body dj-view="a.B" dj-root class="x">a</body>', "a"),
        ("<div class='x' dj-root id=y>a</div>", "a"),
        ('<div dj-root="">a</div>', "a"),
        ("<div dj-root='x'>a</div>", "a"),
        ("<div dj-root = x>a</div>", "a"),
        ("<div\n  id=a\n  dj-root\n>\na</div\n>", "\na"),
        ("<div\tdj-root\t>a</div>", "a"),
        ("<DIV DJ-ROOT>a<div>b</DIV></Div>c", "a<div>b</DIV>"),
        ('<div title=">" dj-root data-x="</div>">a</div>', "a"),
        ("<div title='\"' dj-root>a</div>", "a"),
        ("<div dj-root>a<!-- </div> -->b</div>", "a<!-- </div> -->b"),
        ("<div dj-root>a<!-- <div> -->b</div>", "a<!-- <div> -->b"),
        ("<div dj-root><script>'</div>'</script>b</div>", "<script>'</div>'</script>b"),
        ("<div dj-root><style>/* <div> */</style>b</div>", "<style>/* <div> */</style>b"),
        ("<div dj-root><textarea></div></textarea>b</div>", "<textarea></div></textarea>b"),
        ("<div dj-root><SCRIPT>'<div>'</Script >b</div>", "<SCRIPT>'<div>'</Script >b"),
        ("<div dj-root><divider>a</divider></div>", "<divider>a</divider>"),
        ("<div dj-root><a title='<div></div>'>b</a></div>", "<a title='<div></div>'>b</a>"),
        ("<div dj-root>1 < 2 <div>a</div></div>", "1 < 2 <div>a</div>"),
        ("<my-app dj-root>a<my-app-part>b</my-app-part></my-app>", "a<my-app-part>b</my-app-part>"),
        # What only looks like it.
        ("<!-- <div dj-root> --><div dj-root>a</div>", "a"),
        ("<script>const a = '<div dj-root>';</script><div dj-root>a</div>", "a"),
        ("<style>div[dj-root] > <b dj-root></style><div dj-root>a</div>", "a"),
        ("<textarea><p dj-root>x</p></textarea><div dj-root>a</div>", "a"),
        ("<title>a <p dj-root> b</title><div dj-root>a</div>", "a"),
        ('<body title="say dj-root here"><div dj-root>a</div></body>', "a"),
        ('<body title=" dj-root "><div dj-root>a</div></body>', "a"),
        ("<body title=' dj-root='><div dj-root>a</div></body>", "a"),
        ('<p data-dj-root dj-root-x xdj-root class="dj-root">x</p><div dj-root>a</div>', "a"),
        ("<p> dj-root </p><div dj-root>a</div>", "a"),
        ("a < b dj-root > c <div dj-root>a</div>", "a"),
        ("</div dj-root><div dj-root>a</div>", "a"),
    ],
)
def test_the_root_is_found(page: str, inner: str) -> None:
    assert inner_html(VIEW, page) == inner
    root = find_root(f"<!doctype html>{page}", VIEW)
    assert f"<!doctype html>{page}"[root.start : root.end] == inner


@pytest.mark.parametrize(
    "page",
    ["", "<div>a</div>", "<div data-dj-root>a</div>", "<!-- <div dj-root>a</div> -->", "<p dj-root", "<!-- dj-root"],
)
def test_a_page_without_it_is_told_what_to_do(page: str) -> None:
    with pytest.raises(ViewError, match=r"page\.html has no element with dj-root: put .* into <div dj-root>"):
        find_root(page, VIEW)


@pytest.mark.parametrize(
    "page", ["<div dj-root>a", "<div dj-root><div>a</div>", "<div dj-root>a<!-- </div>", "<div dj-root><p></p></body>"]
)
def test_one_that_is_not_closed_is_told_how_to(page: str) -> None:
    with pytest.raises(ViewError, match=r"page\.html does not close its element with dj-root: add </div>"):
        find_root(page, VIEW)


TEXT = st.text(st.sampled_from("ab <>/\"'=!-dj-root") | st.characters(exclude_categories=["Cs"]), max_size=40)
ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#x27;"})


@settings(deadline=None)
@given(before=TEXT, inside=TEXT)
def test_text_of_users_does_not_move_it(before: str, inside: str) -> None:
    before, inside = before.translate(ESCAPES), inside.translate(ESCAPES)
    inner = f'<div title="{inside}">{inside}<textarea>{inside}</textarea></div>'
    head = f'<title>{before}</title><body title="{before}"><p>{before}</p>'
    page = f'{head}<div id="{before}" dj-root>{inner}</div>{before}'
    assert inner_html(VIEW, page) == inner


@pytest.mark.parametrize(
    "part",
    ["<", '<a b="', "<a b='", "<!--", "<script>", "<div ", " dj-root ", '<div dj-root "', "<div dj-root ", "</div"],
)
def test_the_search_takes_time_in_proportion_to_the_page(part: str) -> None:
    def seconds(count: int) -> float:
        page = f"<div dj-root>{part * count}</div>"
        began = time.thread_time()
        for text in (page, page.removeprefix("<div dj-root>")):
            try:
                find_root(text, VIEW)
            except ViewError:
                continue
        return time.thread_time() - began

    # A search that looks at everything once for each part would take minutes.
    assert seconds(20_000) < 2
