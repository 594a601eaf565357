"""What transformers and safetensors write: one file or several, tied weights, old names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from corpus_plain import Plain, Tied
from corpus_sample import Sample, sample_of
from safetensors.torch import save_file, save_model
from torch import Tensor, nn
from torch.nn.utils import prune


def model_of(kind: str) -> nn.Module:
    """Give a small model with random weights, which do not depend on when it is made."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(11)
    match kind:
        case "bert":
            return transformers.BertForMaskedLM(
                transformers.BertConfig(
                    vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=24, max_position_embeddings=20,
                )
            )  # fmt: skip
        case "gpt2":
            return transformers.GPT2LMHeadModel(
                transformers.GPT2Config(vocab_size=60, n_positions=20, n_embd=16, n_layer=2,
                                        n_head=2, bos_token_id=0, eos_token_id=1)
            )  # fmt: skip
    raise ValueError(kind)


def _pruned(kind: str) -> nn.Module:
    """Zeros in every matrix of a block."""
    model = model_of(kind)
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if ".0." in name and isinstance(weight, nn.Parameter) and weight.dim() > 1:
            prune.l1_unstructured(module, "weight", 0.6)
            prune.remove(module, "weight")
    return model


def _pretrained(kind: str, folder: Path, *, largest: str = "50GB") -> Sample:
    model = _pruned(kind)
    model.save_pretrained(folder / "model", max_shard_size=largest)
    return _only_stored(sample_of(folder / "model", model, finalizes=False), _tied_names(model))


def _tied_names(model: nn.Module) -> set[str]:
    """Names that transformers leaves out of a file because another tensor is the same."""
    seen: dict[int, str] = {}
    tied = set()
    for name, it in model.state_dict(keep_vars=True).items():
        if seen.setdefault(it.data_ptr(), name) != name:
            tied.add(name)
    return tied


def _only_stored(made: Sample, left_out: Iterable[str]) -> Sample:
    tensors = {name: it for name, it in made.tensors.items() if name not in set(left_out)}
    return replace(made, tensors=tensors)


def _old_folder(kind: str, folder: Path, *, shards: int = 1) -> Sample:
    """As transformers before 4.35: pickles of torch, and an index where they are several."""
    model = _pruned(kind)
    path = folder / "model"
    path.mkdir()
    model.config.save_pretrained(path)
    state = model.state_dict()
    if shards == 1:
        torch.save(state, path / "pytorch_model.bin")
    else:
        for name in _tied_names(model):
            del state[name]
        _save_shards(state, path, shards)
    made = sample_of(path, model)
    return replace(made, tensors={name: made.tensors[name] for name in state})


def _save_shards(state: dict[str, Tensor], path: Path, count: int) -> None:
    names = list(state)
    files = [f"pytorch_model-{n + 1:05}-of-{count:05}.bin" for n in range(count)]
    places = {name: files[at * count // len(names)] for at, name in enumerate(names)}
    for file in files:
        torch.save({name: state[name] for name in names if places[name] == file}, path / file)
    total = sum(it.nbytes for it in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (path / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def _bin(kind: str, folder: Path) -> Sample:
    """The file itself, which finalize takes as well."""
    model = _pruned(kind)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    inputs = torch.arange(24).reshape(2, 12) % 50
    return sample_of(folder / "pytorch_model.bin", model, user=kind, inputs=inputs)


def _save_file(folder: Path) -> Sample:
    model = Plain()
    save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
    return sample_of(folder / "model.safetensors", model, finalizes=False)


def _save_model(folder: Path) -> Sample:
    """Tied weights once, the other name in the metadata."""
    model = Tied()
    save_model(model, str(folder / "model.safetensors"))
    return sample_of(folder / "model.safetensors", model, finalizes=False)


def _half(folder: Path) -> Sample:
    model = Plain().to(torch.bfloat16)
    save_file(model.state_dict(), folder / "weights.bin")  # by content, not by name
    return sample_of(folder / "weights.bin", model, finalizes=False)


HUGGING_FACE: dict[str, Callable[[Path], Sample]] = {
    **{f"hf-{kind}": partial(_pretrained, kind) for kind in ("bert", "gpt2")},
    **{
        f"hf-{kind}-sharded": partial(_pretrained, kind, largest="8KB") for kind in ("bert", "gpt2")
    },
    "hf-old-bert": partial(_old_folder, "bert"),
    "hf-old-gpt2-sharded": partial(_old_folder, "gpt2", shards=3),
    "hf-old-bert-file": partial(_bin, "bert"),
    "hf-old-gpt2-file": partial(_bin, "gpt2"),
    "safetensors-file": _save_file,
    "safetensors-model": _save_model,
    "safetensors-half": _half,
}
