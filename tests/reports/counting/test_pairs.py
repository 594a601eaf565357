from __future__ import annotations

from collections import Counter

import pytest
import saved
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from prunetool.checkpoints.export import export
from prunetool.checkpoints.lazy import MemoryTensor
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import OptionError
from prunetool.reports import report_on
from prunetool.reports.counting.changes import Change, ChangeCounter
from prunetool.reports.counting.pairs import choose_pair, count_pair
from prunetool.reports.counting.zeros import find_zeros


def changes(first, second, **options):
    comparison = choose_pair(first, second, **options).comparison()
    return {row.name: row.change for row in comparison.rows}


@pytest.fixture
def old(tmp_path):
    """fc.weight 1 0 0 / 0 0 6, tied to head.weight; fc.bias 0 1; blocks[0].weight of ones."""
    return saved.save_masked(tmp_path / "old.ckpt")


def new(tmp_path, **weights):
    path = tmp_path / "new.safetensors"
    save_file({name.replace("__", "."): it for name, it in weights.items()}, path)
    return path


def test_across_containers_and_dtypes(old, tmp_path):
    weight = torch.tensor([[1.5, 0.0, 3.0], [0.0, 5.0, 0.0]])
    other = {"fc.weight": weight, "blocks[0].weight": torch.ones(2, 2).bfloat16()}
    save_file(other, tmp_path / "new.safetensors")

    assert changes(old, tmp_path / "new.safetensors") == {
        "fc.weight": Change(2, 1, 0.5),
        "fc.bias": None,
        "blocks[0].weight": Change(0, 0, 0.0),
    }


def test_another_shape_is_not_compared(old, tmp_path):
    path = new(tmp_path, fc__weight=torch.ones(3, 2), fc__bias=torch.ones(3), extra=torch.ones(1))

    comparison = choose_pair(old, path).comparison()

    assert not comparison.changes
    assert list(comparison.notes()) == [
        f"{old}: 1 only there: blocks[0].weight",
        f"{path}: 1 only there: extra",
        "2 of another shape, so not compared: fc.weight 2x3 and 3x2, fc.bias 2 and 3",
    ]


def test_tied_tensors_are_one_by_whichever_of_their_names(old, tmp_path):
    """In the old file fc.weight and head.weight are one tensor."""
    path = new(tmp_path, head__weight=torch.zeros(2, 3), fc__bias=torch.ones(2))

    assert changes(old, path) == {
        "fc.weight": Change(0, 2, 0.0),
        "fc.bias": Change(1, 0, 0.0),
        "blocks[0].weight": None,
    }
    assert changes(path, old) == {
        "head.weight": Change(2, 0, 0.0),
        "fc.bias": Change(0, 1, 0.0),
        "blocks[0].weight": None,
    }


def test_tensors_that_are_tied_no_more(old, tmp_path):
    path = new(tmp_path, head__weight=torch.ones(2, 3), fc__weight=torch.zeros(2, 3))

    assert changes(old, path) == {
        "fc.weight": Change(0, 2, 0.0),
        "fc.bias": None,
        "blocks[0].weight": None,
        "head.weight": None,
    }


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_an_export_is_what_it_is_of(form, old, tmp_path):
    result = export(open_checkpoint(old), tmp_path / "e.safetensors", sparse=form == "sparse")

    found = choose_pair(old, result.paths[0]).comparison()

    assert found.whole.change == Change(0, 0, 0.0)
    assert len(found.changes) == 3
    assert found.reports == (report_on(old), report_on(result.paths[0]))


def test_globs_have_to_match_in_one_of_the_files(old, tmp_path):
    path = new(tmp_path, fc__weight=torch.ones(2, 3), extra=torch.ones(1))

    assert changes(old, path, exclude=["extra", "*.bias"]).keys() == {
        "fc.weight",
        "blocks[0].weight",
    }
    assert changes(old, path, include=["extra"]) == {"extra": None}
    with pytest.raises(OptionError, match="--include other: matches no tensor"):
        choose_pair(old, path, include=["other"])


class Counted(MemoryTensor):
    """Notes which elements were read."""

    def __init__(self, tensor):
        super().__init__(tensor)
        self.reads = Counter()

    def flat(self, start, stop):
        self.reads.update(range(start, stop))
        return super().flat(start, stop)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=3),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
def test_every_element_of_both_is_read_once_and_counted_as_by_itself(shape, piece, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        torch.randint(-1, 2, shape, generator=generator).to(dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    read = Counted(first), Counted(second)
    seen = []

    found = count_pair(*(NamedTensor("w", it) for it in read), advance=seen.append, piece=piece)

    between = ChangeCounter()
    between.see(first, second)
    assert found == (
        *(find_zeros(MemoryTensor(it).flat, it.shape) for it in (first, second)),
        between.change(),
    )
    assert [it.reads for it in read] == [Counter(range(first.numel()))] * 2
    assert sum(seen) == first.nbytes + second.nbytes
