from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_reader import read_page

from prunetool.reports.pictures.markup import Markup, element, join

VISIBLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]))


@given(VISIBLE, VISIBLE)
def test_text_stays_text(content, attribute):
    (node,) = read_page(element("p", content, data_it=attribute)).everything
    assert (node.tag, node.text, node.attributes) == ("p", content, {"data-it": attribute})


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (element("br"), "<br>"),
        (element("p"), "<p></p>"),
        (element("p", element("b", "<"), " & "), "<p><b>&lt;</b> &amp; </p>"),
        (element("p", class_="a b", aria_label=None), '<p class="a b"></p>'),
        (element("p", "\x00\x1b[31m\u202e\udc80"), "<p>\\u0000\\u001b[31m\\u202e\\udc80</p>"),
        (join(["a", Markup("<br>")], " & "), "a &amp; <br>"),
    ],
)
def test_by_hand(built, expected):
    assert built == expected
