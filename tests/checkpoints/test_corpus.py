"""What people's tools write is read as those tools mean it; see ``tests/support/corpus.py``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping

import pytest
import torch
from commandline import invoke
from corpus import MAKERS, make
from corpus_sample import Sample
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

_made: dict[str, Sample] = {}


@pytest.fixture
def sample(request, tmp_path_factory) -> Sample:
    """One checkpoint of the corpus, made once."""
    if request.param not in _made:
        _made[request.param] = make(request.param, tmp_path_factory.getbasetemp() / "corpus")
    return _made[request.param]


each = pytest.mark.parametrize("sample", MAKERS, indirect=True)


@each
def test_report_counts_what_the_tool_counts(sample, monkeypatch, capsys):
    done = invoke(monkeypatch, capsys, "report", sample.path, "--format", "json")

    assert (done.code, done.err) == (0, "")
    report = json.loads(done.out)
    counted = {name: count(sample.tensors[name]) for name in sample.counted}
    assert {it["name"]: (it["parameters"], it["zeros"]) for it in report["layers"]} == counted
    totals = [sum(column) for column in zip(*counted.values(), strict=True)]
    assert [report["total"]["parameters"], report["total"]["zeros"]] == totals


def count(tensor: Tensor) -> tuple[int, int]:
    """Elements and zeros, counted one by one."""
    return tensor.numel(), sum(value == 0 for value in tensor.flatten().tolist())


@each
def test_export_gives_the_tensors_of_the_tool(sample, monkeypatch, capsys, tmp_path):
    target = tmp_path / "out.safetensors"
    done = invoke(monkeypatch, capsys, "export", sample.path, "-o", target)

    assert (done.code, done.err) == (0, "")
    with safe_open(target, "pt") as file:
        exported = load_file(target) | tied(load_file(target), file.metadata() or {})
    require_equal(exported, sample.tensors, exact=is_exact(sample))


def is_exact(sample: Sample) -> bool:
    """torch's masks are factors, which leave negative zeros; prunetool's zeros are zeros."""
    return sample.path.parent.name.startswith("torch-")


def tied(stored: dict[str, Tensor], metadata: dict[str, str]) -> dict[str, Tensor]:
    """The tensors that are stored under another name only, as safetensors' save_model says it."""
    return {name: stored[of] for name, of in metadata.items() if of in stored}


@each
def test_sparse_files_go_back_to_the_dense_tensors(sample, monkeypatch, capsys, tmp_path):
    sparse, dense, direct = (tmp_path / f"{it}.safetensors" for it in ("sparse", "dense", "direct"))
    for command in (
        ("export", sample.path, "-o", sparse, "--format", "sparse"),
        ("export", sparse, "-o", dense, "--format", "dense"),
        ("export", sample.path, "-o", direct),
    ):
        done = invoke(monkeypatch, capsys, *command)
        assert done.code == 0, command
        assert done.err == "" or "zeros are -0.0" in done.err, command
    require_equal(load_file(dense), load_file(direct))


@each
def test_finalized_files_hold_the_same_tensors(sample, monkeypatch, capsys, tmp_path):
    target = tmp_path / "out.ckpt"
    done = invoke(monkeypatch, capsys, "finalize", sample.path, "-o", target)

    if not sample.finalizes:
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
        assert not target.exists()
        return
    assert (done.code, done.err) == (0, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own way to read quantized tensors
        content = torch.load(target, weights_only=False)
    weights = content.get("state_dict", content)
    tensors = {
        name.removeprefix(sample.wrapper): it for name, it in weights.items() if torch.is_tensor(it)
    }
    require_equal(tensors, sample.tensors, exact=is_exact(sample))


def require_equal(
    mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor], *, exact: bool = True
) -> None:
    """To the bit, NaNs included; without ``exact``, negative zeros may be zeros."""
    assert sorted(mine) == sorted(theirs)
    for name, tensor in theirs.items():
        found, expected = dense(mine[name]), dense(tensor)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), name
        if not exact:
            expected = torch.where((expected == 0) & (found == 0), found, expected)
        assert bits(found) == bits(expected), name


def dense(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.dequantize() if tensor.is_quantized else tensor.to_dense()


def bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
