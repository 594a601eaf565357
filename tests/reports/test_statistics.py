from __future__ import annotations

import pytest
import saved
import tiny
import torch
from lightning.pytorch.callbacks import ModelPruning

from prunetool.errors import CheckpointError, OptionError
from prunetool.reports import report_on
from prunetool.reports.statistics import Count, Layer, Macs, Source, Sums, sums_of


def test_a_prunetool_checkpoint(tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")

    report = report_on(path)

    assert report.source == Source(str(path), "lightning", "prunetool")
    assert report.layers == (
        Layer("fc.weight", (2, 3), "float32", Count(6, 4), True, True, "elements", 24, 24, (0, 1)),
        Layer("fc.bias", (2,), "float32", Count(2, 1), False, False, "elements", 8, 8, ()),
        Layer(
            "blocks[0].weight", (2, 2), "float32", Count(4, 0), False, False, None, 16, 16, (0, 0)
        ),
    )
    assert report.total == Count(12, 5)
    assert report.prunable == Count(6, 4)
    assert report.complete


def test_the_pruned_set_of_a_file_without_masks(tmp_path):
    weights = {
        "w": torch.tensor([[0.0, 1.0]]),
        "b": torch.zeros(3),
        "table": torch.zeros(2, 2, dtype=torch.int64),
        "half": torch.tensor([[0.0, 0.0, 1.0]]).half(),
        "narrow": torch.tensor([[0.0, 2.0]]).to(torch.float8_e4m3fn),
        "_extra_state": None,
    }
    report = report_on(saved.save_lightning(tmp_path / "a.ckpt", weights))

    assert [(it.name, it.prunable, it.bytes) for it in report.layers] == [
        ("w", True, 8),
        ("b", False, 12),
        ("half", True, 6),
        ("narrow", True, 2),
    ]
    assert (report.total, report.prunable) == (Count(10, 7), Count(7, 4))
    assert report.source.masks is None


@pytest.mark.parametrize("permanent", [True, False])
def test_totals_of_the_reference_callbacks_checkpoint(permanent, tmp_path):
    model = tiny.Tiny()
    pruning = ModelPruning(
        "l1_unstructured",
        parameters_to_prune=model.weights(),
        amount=0.5,
        use_lottery_ticket_hypothesis=False,
        make_pruning_permanent=permanent,
    )
    tiny.fit(model, pruning, epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    stored = torch.load(tmp_path / "a.ckpt")["state_dict"]
    expected = 0
    for name in ("conv.weight", "hidden.weight", "out.weight"):
        weight = stored[name] if name in stored else stored[f"{name}_orig"] * stored[f"{name}_mask"]
        expected += int((weight == 0).sum())

    report = report_on(tmp_path / "a.ckpt")

    assert expected == round(0.5 * 4474)
    assert report.prunable == Count(4474, expected)
    assert report.total.parameters == sum(it.numel() for it in tiny.Tiny().parameters())


def test_choosing_layers_chooses_what_is_counted(tmp_path):
    report = report_on(saved.save_masked(tmp_path / "a.ckpt"), include=["fc.*"], exclude=["*.bias"])

    assert [layer.name for layer in report.layers] == ["fc.weight"]
    assert (report.total, report.complete) == (Count(6, 4), False)


def test_a_buffer_cannot_be_chosen(tmp_path):
    with pytest.raises(OptionError, match="matches no tensor"):
        report_on(saved.save_masked(tmp_path / "a.ckpt"), include=["norm.running_mean"])


def test_a_file_with_buffers_only(tmp_path):
    path = saved.save_lightning(tmp_path / "a.ckpt", {"n.num_batches_tracked": torch.tensor(1)})

    with pytest.raises(CheckpointError, match="found only buffers"):
        report_on(path)


def test_layers_added_up():
    one = Layer("a", (2, 3), "float32", Count(6, 4), True, True, "elements", 24, 9, (1, 1))
    two = Layer("b", (2,), "float32", Count(2, 1), False, False, "elements", 8, 8, (), Macs(9, 3))

    assert sums_of([one, two]) == Sums(2, Count(8, 5), 32, 17, 2, Macs(9, 3))
    assert sums_of([one]).macs is None
    assert sums_of([]) == Sums(0, Count(0, 0), 0, 0, 0, None)


def test_nothing_of_no_parameters_is_sparse():
    assert Count(0, 0).sparsity == 0.0
