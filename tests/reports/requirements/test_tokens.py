from __future__ import annotations

import pytest

from prunetool.reports.requirements.tokens import Kind, tokens

W, C, OP = Kind.WORD, Kind.COLON, Kind.COMPARISON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("   ", []),
        ("sparsity>=0.9", [(W, "sparsity"), (OP, ">="), (W, "0.9")]),
        (" a : b ", [(W, "a"), (C, ":"), (W, "b")]),
        ("layer enc.*:zeros", [(W, "layer enc.*"), (C, ":"), (W, "zeros")]),
        ("a[:>=]b!=1", [(W, "a[:>=]b"), (OP, "!="), (W, "1")]),
        ("a[]:]b<1", [(W, "a[]:]b"), (OP, "<"), (W, "1")]),
        ("a[!]:]b<1", [(W, "a[!]:]b"), (OP, "<"), (W, "1")]),
        ("blocks[0].w:zeros", [(W, "blocks[0].w"), (C, ":"), (W, "zeros")]),
        ("open[:zeros", [(W, "open["), (C, ":"), (W, "zeros")]),
        ("what!:zeros", [(W, "what!"), (C, ":"), (W, "zeros")]),
        ("a=>1", [(W, "a"), (OP, "=>"), (W, "1")]),
        ("::", [(C, ":"), (C, ":")]),
    ],
)
def test_pieces(text, expected):
    assert [(it.kind, it.text) for it in tokens(text)] == expected
