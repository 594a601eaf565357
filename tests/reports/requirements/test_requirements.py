from __future__ import annotations

from fractions import Fraction

import pytest

from prunetool.errors import OptionError
from prunetool.reports.requirements.requirements import (
    Metric,
    Operator,
    Requirement,
    parse_requirement,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sparsity>=0.9", ("", Metric.SPARSITY, Operator.AT_LEAST, Fraction(9, 10))),
        (" sparsity <= 90 % ", ("", Metric.SPARSITY, Operator.AT_MOST, Fraction(9, 10))),
        ("layer:sparsity<.99", ("layer", Metric.SPARSITY, Operator.LESS, Fraction(99, 100))),
        ("a.*:sparsity>0", ("a.*", Metric.SPARSITY, Operator.MORE, Fraction(0))),
        ("[!a]:b:sparsity==1", ("[!a]:b", Metric.SPARSITY, Operator.EQUAL, Fraction(1))),
        ("sparsity!=99.9%", ("", Metric.SPARSITY, Operator.UNEQUAL, Fraction(999, 1000))),
        ("pattern==2:4", ("", Metric.PATTERN, Operator.EQUAL, "2:4")),
        ("fc.*:pattern!=channels:1", ("fc.*", Metric.PATTERN, Operator.UNEQUAL, "channels:1")),
        ("pattern==elements", ("", Metric.PATTERN, Operator.EQUAL, "elements")),
    ],
)
def test_the_language(text, expected):
    assert parse_requirement(text) == Requirement(text, *expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a comparison such as 'sparsity>=0.9'"),
        ("sparsity", "expected a comparison"),
        ("sparsity=0.9", "expected a comparison"),
        ("sparsty>=0.9", "got 'sparsty'; did you mean 'sparsity'"),
        ("fc.*>=0.9", r"expected sparsity or pattern before >=, got 'fc\.\*'"),
        (">=0.9", "got ''"),
        ("sparsity>=", "expected a fraction or a percentage, got ''"),
        ("sparsity>=high", "expected a fraction or a percentage, got 'high'"),
        ("sparsity>==0.9", "expected a fraction or a percentage, got '=0.9'"),
        ("sparsity>=nan", "expected a fraction or a percentage, got 'nan'"),
        ("sparsity>=90", "expected a value from 0 to 1, got '90'; did you mean 90%"),
        ("sparsity>=-0.1", "expected a value from 0 to 1, got '-0.1'"),
        ("sparsity>=101%", "expected a value from 0 to 1"),
        ("pattern>=2:4", "a pattern is compared with == or !=, not >="),
        ("pattern==3:4", "expected a pattern, one of elements, 2:4, 4:8, 1:4, channels:0"),
        ("pattern==element", "did you mean 'elements'"),
        ("pattern==channels", "got 'channels'; did you mean 'channels:0'"),
    ],
)
def test_what_is_no_requirement(text, message):
    with pytest.raises(OptionError, match=message) as caught:
        parse_requirement(text)
    assert str(caught.value).startswith(f"--require {text}: ")
