"""Files of torch.save: formats, protocols, and every kind of tensor that there is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from corpus_plain import Plain, Tied, images
from corpus_sample import Sample, sample_of, tensors_sample
from torch import Tensor, nn


def _legacy(folder: Path, *, protocol: int = 2) -> Sample:
    model = Plain()
    file = folder / "model.pth"
    torch.save(
        model.state_dict(), file, _use_new_zipfile_serialization=False, pickle_protocol=protocol
    )
    return sample_of(file, model, user="plain", inputs=images())


def _legacy_tied(folder: Path) -> Sample:
    model = Tied()
    content = {"state_dict": model.state_dict(), "epoch": 3}
    torch.save(content, folder / "model.pt", _use_new_zipfile_serialization=False)
    return sample_of(folder / "model.pt", model, user="tied", inputs=images())


def _legacy_views(folder: Path) -> Sample:
    tensors = _views()
    torch.save(tensors, folder / "model.pt", _use_new_zipfile_serialization=False)
    return tensors_sample(folder / "model.pt", tensors, buffers=["again"])


def _protocol(protocol: int, folder: Path) -> Sample:
    model = Plain()
    torch.save(model.state_dict(), folder / "model.bin", pickle_protocol=protocol)
    return sample_of(folder / "model.bin", model, user="plain", inputs=images())


def _tied(folder: Path) -> Sample:
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters())
    model(images()).sum().backward()
    optimizer.step()
    content = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7}
    torch.save(content, folder / "model.pt")
    return sample_of(folder / "model.pt", model, user="tied", inputs=images())


def _parameters(folder: Path) -> Sample:
    """Parameters instead of tensors, as ``dict(model.named_parameters())`` gives."""
    model = nn.Linear(4, 3)
    torch.save(dict(model.named_parameters()), folder / "model.pt")
    return sample_of(folder / "model.pt", model)


def _views() -> dict[str, Tensor]:
    """Views of one storage, as optimizers with flat buffers leave them; and the odd strides."""
    flat = torch.arange(60.0)
    return {
        "whole": flat.view(6, 10),
        "again": flat.view(6, 10),
        "first": flat[:24].view(4, 6),
        "second": flat[24:54].view(5, 6),
        "transposed": torch.arange(12.0).view(3, 4).t(),
        "every-other": torch.arange(40.0).view(5, 8)[:, ::2],
        "channels-last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "expanded": torch.tensor([[0.0], [2.0]]).expand(2, 7),
        "one-value": torch.tensor(3.0).expand(4, 5),
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
    }


def _strides(folder: Path) -> Sample:
    tensors = _views()
    torch.save(tensors, folder / "model.pt")
    return tensors_sample(folder / "model.pt", tensors, buffers=["again"])


def _dtypes(folder: Path) -> Sample:
    values = torch.tensor([[0.0, 1.0, -2.0], [-0.0, 0.5, 0.0]])
    floating = (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64,
        torch.float8_e4m3fn, torch.float8_e5m2,
    )  # fmt: skip
    whole = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)
    names = {it: str(it).removeprefix("torch.") for it in (*floating, *whole)}
    tensors = {names[it]: values.to(it) for it in floating}
    buffers = {names[it]: values.abs().to(it) for it in whole}
    torch.save({**tensors, **buffers}, folder / "model.pt")
    return tensors_sample(folder / "model.pt", {**tensors, **buffers}, buffers=buffers)


def _odd_bits(folder: Path) -> Sample:
    """Negative zeros, infinities and NaNs with a payload are kept to the bit."""
    bits = torch.tensor([0, -(2**31), 0x7F800000, 0x7FC00001, 0x7FA12345, 1, 0x3F800000])
    tensors = {"weight": bits.to(torch.int32).view(torch.float32)}
    torch.save(tensors, folder / "model.pt")
    return tensors_sample(folder / "model.pt", tensors)


def _sizes(folder: Path) -> Sample:
    tensors = OrderedDict(
        scalar=torch.tensor(2.5), empty=torch.empty(0), none=torch.empty(3, 0, 2), one=torch.ones(1)
    )
    torch.save(tensors, folder / "model.pt")
    return tensors_sample(folder / "model.pt", tensors)


def _sparse_layouts(folder: Path) -> Sample:
    dense = torch.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    stored = {"coo": dense.to_sparse(), "weight": dense.clone()}
    torch.save(stored, folder / "model.pt")
    return tensors_sample(folder / "model.pt", {name: it.to_dense() for name, it in stored.items()})


def _quantized(folder: Path) -> Sample:
    values = torch.tensor([[0.0, 0.5], [1.0, -1.0]])
    stored = {"weight": torch.quantize_per_tensor(values, 0.25, 0, torch.qint8), "plain": values}
    torch.save(stored, folder / "model.pt")
    return tensors_sample(folder / "model.pt", {"weight": values, "plain": values})


TORCH: dict[str, Callable[[Path], Sample]] = {
    "torch-legacy": _legacy,
    "torch-legacy-protocol-4": partial(_legacy, protocol=4),
    "torch-legacy-tied": _legacy_tied,
    "torch-legacy-views": _legacy_views,
    **{f"torch-protocol-{number}": partial(_protocol, number) for number in (2, 3, 4, 5)},
    "torch-tied": _tied,
    "torch-parameters": _parameters,
    "torch-strides": _strides,
    "torch-dtypes": _dtypes,
    "torch-odd-bits": _odd_bits,
    "torch-sizes": _sizes,
    "torch-sparse-layouts": _sparse_layouts,
    "torch-quantized": _quantized,
}
