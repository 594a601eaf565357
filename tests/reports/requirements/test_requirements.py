from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.errors import OptionError
from prunetool.reports.requirements.metrics import Metric
from prunetool.reports.requirements.requirements import Requirement, parse_requirement
from prunetool.reports.requirements.scopes import Of, Scope
from prunetool.reports.requirements.tokens import Operator


def glob(text, *, each=False):
    return Scope(Of.GLOB, each=each, glob=text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sparsity>=0.9", (Scope(), Metric.SPARSITY, Operator.AT_LEAST, Fraction(9, 10))),
        (" sparsity <= 90 % ", (Scope(), Metric.SPARSITY, Operator.AT_MOST, Fraction(9, 10))),
        ("density<1/3", (Scope(), Metric.DENSITY, Operator.LESS, Fraction(1, 3))),
        (
            "layer:sparsity<.99",
            (Scope(each=True), Metric.SPARSITY, Operator.LESS, Fraction(99, 100)),
        ),
        ("model:zeros>7", (Scope(Of.MODEL), Metric.ZEROS, Operator.MORE, Fraction(7))),
        ("a.*:sparsity>0", (glob("a.*"), Metric.SPARSITY, Operator.MORE, Fraction(0))),
        (
            "layer  a.* :regrown==0",
            (glob("a.*", each=True), Metric.REGROWN, Operator.EQUAL, Fraction(0)),
        ),
        ("[!a]:b:sparsity==1", (glob("[!a]:b"), Metric.SPARSITY, Operator.EQUAL, Fraction(1))),
        ("a<b>:nonzeros!=1", (glob("a<b>"), Metric.NONZEROS, Operator.UNEQUAL, Fraction(1))),
        ("[l]ayer:zeros==0", (glob("[l]ayer"), Metric.ZEROS, Operator.EQUAL, Fraction(0))),
        ("layers.*:zeros==0", (glob("layers.*"), Metric.ZEROS, Operator.EQUAL, Fraction(0))),
        ("sparsity:zeros==0", (glob("sparsity"), Metric.ZEROS, Operator.EQUAL, Fraction(0))),
        ("parameters<1e6", (Scope(), Metric.PARAMETERS, Operator.LESS, Fraction(10**6))),
        ("bytes<=1.5MB", (Scope(), Metric.BYTES, Operator.AT_MOST, Fraction(1_500_000))),
        ("bytes<=3 kB", (Scope(), Metric.BYTES, Operator.AT_MOST, Fraction(3000))),
        ("sparse_bytes<2GiB", (Scope(), Metric.SPARSE_BYTES, Operator.LESS, Fraction(2**31))),
        ("macs<1.2G", (Scope(), Metric.MACS, Operator.LESS, Fraction(1_200_000_000))),
        ("effective_macs<4k", (Scope(), Metric.EFFECTIVE_MACS, Operator.LESS, Fraction(4000))),
        (
            "largest_change<=1e-3",
            (Scope(), Metric.LARGEST_CHANGE, Operator.AT_MOST, Fraction(1, 1000)),
        ),
        ("pattern==2:4", (Scope(), Metric.PATTERN, Operator.EQUAL, "2:4")),
        (
            "fc.*:pattern!=channels:12",
            (glob("fc.*"), Metric.PATTERN, Operator.UNEQUAL, "channels:12"),
        ),
        ("pattern!=none", (Scope(), Metric.PATTERN, Operator.UNEQUAL, "none")),
    ],
)
def test_the_language(text, expected):
    assert parse_requirement(text) == Requirement(text, *expected)


METRICS = (
    "sparsity, density, zeros, nonzeros, parameters, pattern, bytes, sparse_bytes, dead_channels, "
    "macs, effective_macs, regrown, newly_pruned, largest_change"
)
EXAMPLES = "such as 'sparsity>=0.9', 'encoder.*:sparsity>=50%' or 'pattern==2:4'"
SHARE = "a fraction or a percentage from 0 to 1 such as in 'sparsity>=0.9' or '>=90%'"
COUNT = "a whole number such as in 'zeros>=1000'"
BYTES = "a whole number of bytes, or one with a unit, such as in 'bytes<=1.5MB'"
MACS = "a whole number, or one with k, M or G, such as in 'macs<=1.5M'"
CHANGE = "a number from 0 on such as in 'largest_change<=1e-3'"
PATTERNS = "a pattern (elements, 2:4, 4:8, 1:4, channels:0, none) such as in 'pattern==2:4'"
SCOPE = (
    "expected a glob, 'layer' or 'model' before the colon at character {}, such as in "
    "'encoder.*:sparsity>=0.5'"
)
OPERATORS = "one of >= <= == != > < such as in '{}>=0'"


def metric(operator):
    return f"expected a metric before {operator} ({METRICS}) such as in 'sparsity>=0.9'"


WRONG = [
    ("", f"expected a comparison {EXAMPLES}, got nothing at character 1"),
    ("sparsity", f"expected a comparison {EXAMPLES}, got nothing at character 9"),
    ("a:b:c", f"expected a comparison {EXAMPLES}, got nothing at character 6"),
    ("a[>=0.5]", f"expected a comparison {EXAMPLES}, got nothing at character 9"),
    ("sparsity=0.9", f"expected {OPERATORS.format('sparsity')}, got '=' at character 9"),
    ("sparsity=>0.9", f"expected {OPERATORS.format('sparsity')}, got '=>' at character 9"),
    ("zeros <> 3", f"expected {OPERATORS.format('zeros')}, got '<>' at character 7"),
    ("sparsity>==0.9", f"expected {OPERATORS.format('sparsity')}, got '>==' at character 9"),
    ("pattern>=2:4", "expected one of == != such as in 'pattern==2:4', got '>=' at character 8"),
    (
        "sparsty>=0.9",
        f"{metric('>=')}, got 'sparsty' at character 1; did you mean 'sparsity' or 'sparse_bytes'?",
    ),
    (
        "encoder.*: regrow==0",
        f"{metric('==')}, got 'regrow' at character 12; did you mean 'regrown' or 'zeros'?",
    ),
    ("fc.*>=0.9", f"{metric('>=')}, got 'fc.*' at character 1"),
    ("fc.*:>=0.9", f"{metric('>=')}, got nothing at character 6"),
    (">=0.9", f"{metric('>=')}, got nothing at character 1"),
    ("0.9<=sparsity", f"{metric('<=')}, got '0.9' at character 1"),
    (
        "a<b:zeroes>1",
        f"{metric('>')}, got 'zeroes' at character 5; did you mean 'zeros' or 'nonzeros'?",
    ),
    (":sparsity>0", SCOPE.format(1)),
    ("  :sparsity>0", SCOPE.format(3)),
    ("sparsity>=", f"expected {SHARE}, got nothing at character 11"),
    ("sparsity>=high", f"expected {SHARE}, got 'high' at character 11"),
    ("sparsity>=nan", f"expected {SHARE}, got 'nan' at character 11"),
    ("sparsity>= 90", f"expected {SHARE}, got '90' at character 12; did you mean 90%?"),
    ("sparsity>=-0.1", f"expected {SHARE}, got '-0.1' at character 11"),
    ("density<=101%", f"expected {SHARE}, got '101%' at character 10"),
    ("sparsity>=1/0", f"expected {SHARE}, got '1/0' at character 11"),
    ("sparsity>=1e999999999", f"expected {SHARE}, got '1e999999999' at character 11"),
    (
        "sparsity>=9 0%",
        f"expected {SHARE}, got '9 0%' at character 11: '0%' is no unit of it, these are: %",
    ),
    (
        "sparsity>0.5 and zeros>1",
        f"expected {SHARE}, got '0.5 and zeros>1' at character 10: 'and zeros>1' is no unit of it, "
        "these are: %",
    ),
    ("zeros>1.5", f"expected {COUNT}, got '1.5' at character 7"),
    ("zeros>1k", f"expected {COUNT}, got '1k' at character 7: 'k' is no unit of it"),
    ("dead_channels<-1", f"expected {COUNT}, got '-1' at character 15"),
    ("regrown==0%", f"expected {COUNT}, got '0%' at character 10: '%' is no unit of it"),
    ("bytes<1.5", f"expected {BYTES}, got '1.5' at character 7"),
    (
        "sparse_bytes<1KB",
        f"expected {BYTES}, got '1KB' at character 14: 'KB' is no unit of it, these are: B, kB, "
        "MB, GB, KiB, MiB, GiB",
    ),
    (
        "macs<=1.5T",
        f"expected {MACS}, got '1.5T' at character 7: 'T' is no unit of it, these are: k, M, G",
    ),
    ("largest_change<=-1", f"expected {CHANGE}, got '-1' at character 17"),
    ("largest_change<=inf", f"expected {CHANGE}, got 'inf' at character 17"),
    ("pattern==", f"expected {PATTERNS}, got nothing at character 10"),
    (
        "pattern==3:4",
        f"expected {PATTERNS}, got '3:4' at character 10; did you mean '2:4' or '1:4'?",
    ),
    (
        "pattern==element",
        f"expected {PATTERNS}, got 'element' at character 10; did you mean 'elements'?",
    ),
    (
        "pattern==channels",
        f"expected {PATTERNS}, got 'channels' at character 10; did you mean 'channels:0' or "
        "'none'?",
    ),
    (
        "pattern==channels:-1",
        f"expected {PATTERNS}, got 'channels:-1' at character 10; did you mean 'channels:0'?",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_no_requirement(text, message):
    with pytest.raises(OptionError) as caught:
        parse_requirement(text)
    assert str(caught.value) == f"--require {text}: {message}"


WORDS = ("sparsity", "zeros", "pattern", "layer", "a.b", "0.5", "90%", "1e9", "2:4", "MB", "é")
MARKS = (":", ">=", "<", "=", "!", "[", "]", "*", "-", "/", " ", "\n")
PIECES = st.sampled_from(WORDS + MARKS)


def outcome(text):
    try:
        return parse_requirement(text)
    except OptionError as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20))
def test_any_text_is_a_requirement_or_one_clear_error(text):
    found = outcome(text)

    if isinstance(found, str):
        assert found.startswith(f"--require {text}: expected ")
        assert " such as " in found
    else:
        assert found.text == text
        assert found.metric in text
