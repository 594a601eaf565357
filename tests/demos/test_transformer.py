from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from tiny import trainer

from prunetool.demos import TinyTransformer


def test_the_data_are_digits_and_the_same_in_order():
    model = TinyTransformer(batch_size=100, length=5)
    batches = list(model.train_dataloader())
    assert [len(digits) for digits, _ in batches] == [100] * 40 + [96]
    digits, in_order = batches[0]
    assert digits.shape == (100, 5)
    assert [sorted(row) for row in digits.tolist()] == in_order.tolist()
    validation = [row for batch, _ in model.val_dataloader() for row in batch.tolist()]
    assert len(validation) == 512
    again = [
        row for batch, _ in TinyTransformer(length=5).val_dataloader() for row in batch.tolist()
    ]
    assert validation == again


def test_the_counts_of_the_docstring():
    model = TinyTransformer()
    linear = [m.weight for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert sum(weight.numel() for weight in linear) == 98944
    assert model(torch.zeros(3, 8, dtype=torch.long)).shape == (3, 10, 8)


def test_the_order_of_the_input_matters_only_through_the_positions():
    torch.manual_seed(0)
    model = TinyTransformer().eval()
    with torch.no_grad():
        model.positions.weight.zero_()
        logits = model(torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]]))
    torch.testing.assert_close(logits[0], logits[1].flip(1))


def test_without_a_mesh_it_stays_whole_and_learns_to_sort():
    torch.manual_seed(0)
    model = TinyTransformer()
    run = trainer(epochs=3)
    run.fit(model)
    assert float(run.callback_metrics["val_acc"]) > 0.97
    assert {type(p) for p in model.parameters()} == {torch.nn.Parameter}


SHARDED = """
import torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from prunetool.demos import TinyTransformer

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
torch.manual_seed(3)
whole = TinyTransformer()
torch.manual_seed(3)
model = TinyTransformer()
names = ("data_parallel", "tensor_parallel")
model._device_mesh = init_device_mesh("cpu", (1, 1), mesh_dim_names=names)
model.configure_model()
model.configure_model()  # as a second fit does
assert all(isinstance(p, DTensor) for p in model.parameters())
assert [n for n, m in model.named_modules() if isinstance(m, FSDPModule)] == [
    "", "blocks.0", "blocks.1"
]
for (name, ours), (also, theirs) in zip(model.named_parameters(), whole.named_parameters()):
    assert name == also
    assert torch.equal(ours.full_tensor(), theirs)
dist.destroy_process_group()
"""


def test_with_a_mesh_every_weight_is_sharded_and_has_the_same_values():
    done = subprocess.run(
        [sys.executable, "-c", SHARDED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("wrong", [{"width": 10, "heads": 3}])
def test_heads_divide_the_width(wrong):
    with pytest.raises(RuntimeError):
        TinyTransformer(**wrong)(torch.zeros(1, 8, dtype=torch.long))
