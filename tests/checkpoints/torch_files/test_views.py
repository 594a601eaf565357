"""Tensors of torch files, read as torch reads them; absurd ones are refused."""

from __future__ import annotations

import pickle
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.errors import CheckpointError

CASES = {
    "matrix": torch.arange(6.0).reshape(2, 3),
    "transposed": torch.arange(6).reshape(2, 3).T,
    "every second": torch.arange(10.0)[1::2],
    "expanded": torch.arange(3.0).unsqueeze(1).expand(3, 4),
    "channels last": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
    "scalar": torch.tensor(2.5),
    "empty": torch.empty(0, 3),
    "bool": torch.tensor([True, False]),
    "bfloat16": torch.tensor([1.5, -0.0]).bfloat16(),
    "float8": torch.tensor([1.5, -2.0]).to(torch.float8_e4m3fn),
    "uint16": torch.tensor([65535], dtype=torch.uint16),
    "complex": torch.tensor([1j, 2.0]),
    "conjugated": torch.tensor([1 + 2j, 3 - 1j]).conj(),
    "imaginary": torch.tensor([1 + 2j, 3 - 1j]).conj().imag,
    "a part": torch.arange(10.0)[3:5],
    "parameter": torch.nn.Parameter(torch.ones(2, 2)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_that_torch_reads(name, tmp_path):
    torch.save({"it": CASES[name]}, tmp_path / "a.pt")
    expected = torch.load(tmp_path / "a.pt")["it"].detach().resolve_conj().resolve_neg()

    found = read_torch(tmp_path / "a.pt").content["it"]

    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.read().reshape(-1).view(torch.uint8).tolist() == (
        expected.contiguous().reshape(-1).view(torch.uint8).tolist()
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_range_of_any_view(data, tmp_path_factory):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    base = torch.arange(64.0)
    strides = [data.draw(st.integers(0, 5)) for _ in shape]
    view = base.as_strided(shape, strides, data.draw(st.integers(0, 3)))
    path = tmp_path_factory.mktemp("view") / "a.pt"
    torch.save({"it": view}, path)
    start = data.draw(st.integers(0, view.numel()))
    stop = data.draw(st.integers(start, view.numel()))

    found = read_torch(path).content["it"]

    assert found.flat(start, stop).tolist() == view.reshape(-1)[start:stop].tolist()


def test_tied_tensors_are_one_and_others_are_not(tmp_path):
    base = torch.arange(6.0)
    torch.save([base, base.view(6), base.view(2, 3), base[:3], base.clone()], tmp_path / "a.pt")

    one, same, reshaped, part, other = read_torch(tmp_path / "a.pt").content

    assert one.identity == same.identity
    assert len({it.identity for it in (one, reshaped, part, other)}) == 4


def sparse_and_quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both are called experimental, or deprecated
        dense = torch.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
        channels = torch.quantize_per_channel(
            dense, torch.tensor([0.1, 0.2]), torch.tensor([0, 3]), 0, torch.qint8
        )
        return {
            "coo": dense.to_sparse(),
            "csr": dense.to_sparse_csr(),
            "csc": dense.to_sparse_csc(),
            "bsr": torch.eye(4).to_sparse_bsr((2, 2)),
            "qint8": torch.quantize_per_tensor(dense, 0.5, 1, torch.qint8),
            "quint8": torch.quantize_per_tensor(dense, 0.03, 128, torch.quint8),
            "qint32": torch.quantize_per_tensor(dense, 0.03, 0, torch.qint32),
            "by channel": channels,
        }


@pytest.mark.parametrize("name", sparse_and_quantized())
def test_values_that_are_stored_in_another_form(name, tmp_path):
    value = sparse_and_quantized()[name]
    torch.save({"it": value}, tmp_path / "a.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = value.dequantize() if value.is_quantized else value.to_dense()

    found = read_torch(tmp_path / "a.pt").content["it"]

    assert torch.equal(found.read(), expected)
    assert found.flat(1, 4).tolist() == expected.reshape(-1)[1:4].tolist()


class Call:
    """Unpickles by a call of a function that is named and need not exist."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def rebuild(*changes):
    """A tensor of four floats with other arguments than its own."""
    storage = torch.storage.TypedStorage(
        wrap_storage=torch.ones(4).untyped_storage(), dtype=torch.float32, _internal=True
    )
    args = [storage, 0, (4,), (1,), False, {}]
    for index, value in changes:
        args[index] = value
    return Call(torch._utils._rebuild_tensor_v2, *args)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (rebuild((2, (5,))), "a tensor of \\[5\\] of torch.float32 that needs 20 bytes of a"),
        (rebuild((1, 1)), "needs 20 bytes of a storage of 16"),
        (rebuild((3, (2,))), "needs 28 bytes"),
        (rebuild((1, -1)), "without an offset from 0 on"),
        (rebuild((2, (-1,))), "whole numbers from 0 on"),
        (rebuild((3, (-1,))), "whole numbers from 0 on"),
        (rebuild((2, (10**15, 10**15)), (3, (0, 0))), "a tensor of \\[1000000000000000"),
        (rebuild((2, (10**12,)), (3, (0,))), "shows the same 16 bytes again and again"),
        (rebuild((2, (1,) * 65), (3, (1,) * 65)), "65 dimensions"),
        (rebuild((2, (2, 2))), "more strides than dimensions, or fewer"),
        (rebuild((2, "ab")), "whole numbers"),
        (rebuild((2, (2.0,))), "whole numbers"),
    ],
)
def test_what_is_no_tensor_is_refused(value, message, tmp_path):
    torch.save({"it": value}, tmp_path / "a.pt")

    with pytest.raises(CheckpointError, match=message):
        read_torch(tmp_path / "a.pt")


def test_many_large_views_of_little(tmp_path):
    value = [rebuild((2, (10**7,)), (3, (0,))) for _ in range(8)]
    torch.save({"it": value}, tmp_path / "a.pt")

    with pytest.raises(CheckpointError, match="show the same values again and again"):
        read_torch(tmp_path / "a.pt")


def test_a_sparse_tensor_with_indices_outside(tmp_path):
    good = torch.eye(3).to_sparse()
    torch.save({"it": good}, tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    indices = good.indices().numpy().tobytes()
    assert content.count(indices) == 1
    (tmp_path / "a.pt").write_bytes(content.replace(indices, (10**6).to_bytes(8, "little") * 6))

    with pytest.raises(CheckpointError, match=r"a sparse or quantized tensor .* inconsistent"):
        read_torch(tmp_path / "a.pt").content["it"].read()


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_sparse_tensor_of_an_absurd_size(tmp_path):
    value = torch.sparse_coo_tensor(
        torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (10**6,) * 2
    )
    torch.save({"it": value}, tmp_path / "a.pt")

    with pytest.raises(CheckpointError, match="a tensor of 4000000000000 bytes made of 20"):
        read_torch(tmp_path / "a.pt")


def test_pickles_of_tensors_need_values_in_a_file(tmp_path):
    from prunetool.checkpoints.torch_files.unpickler import Unpickler

    with (tmp_path / "a").open("wb") as file:
        pickle.dump(1, file)
    with (tmp_path / "a").open("rb") as file:
        assert Unpickler(file).load() == 1
