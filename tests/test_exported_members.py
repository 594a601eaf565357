from __future__ import annotations

import pytest

import prunetool


def test_all_is_sorted_and_is_what_dir_lists() -> None:
    assert prunetool.__all__ == sorted(prunetool.__all__)
    assert dir(prunetool) == prunetool.__all__


@pytest.mark.parametrize("name", prunetool.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(prunetool, name) is not None


def test_the_names_are_those_of_their_homes() -> None:
    from prunetool import _version, callback, errors

    assert prunetool.ModelPruning is callback.ModelPruning
    assert prunetool.PrunetoolError is errors.PrunetoolError
    assert prunetool.__version__ == _version.__version__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'prunetool' has no attribute 'Pruning'"):
        prunetool.Pruning  # noqa: B018
