from __future__ import annotations

import pytest

from prunetool.checkpoints.globs import choose
from prunetool.errors import OptionError

NAMES = ["encoder.0.weight", "encoder.0.bias", "decoder.weight"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), NAMES),
        (("encoder.*",), (), NAMES[:2]),
        (("decoder.*", "*.bias"), (), NAMES[1:]),
        ((), ("*.bias",), [NAMES[0], NAMES[2]]),
        (("encoder.*",), ("*.bias",), [NAMES[0]]),
    ],
)
def test_choosing(include, exclude, expected):
    assert choose(NAMES, include=include, exclude=exclude) == expected


@pytest.mark.parametrize(
    ("include", "exclude", "message"),
    [
        (("encodr.0.weight",), (), r"--include encodr.0.weight: .* mean 'encoder.0.weight'"),
        ((), ("ENCODER.*",), r"--exclude ENCODER.\*: matches no tensor; the first of 3 is"),
        ((), ("*",), r"--exclude \*: leaves no tensor"),
    ],
)
def test_globs_that_choose_nothing(include, exclude, message):
    with pytest.raises(OptionError, match=message):
        choose(NAMES, include=include, exclude=exclude)
