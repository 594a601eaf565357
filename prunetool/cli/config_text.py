"""A config as YAML with a comment on every key, for ``--print-config``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from prunetool.training.full_config import FullConfig

_LONGEST = 96
_SECTIONS = {
    "seed_everything": "Of every random choice.",
    "trainer": "Arguments of the Trainer.",
    "model": "What is trained: class_path pkg.mod.Class or path/file.py:Class, and init_args.",
    "data": "A LightningDataModule, or a function that gives one or a DataLoader; null: the "
    "model's own.",
    "optimizer": "class_path and init_args, in place of the model's configure_optimizers.",
    "lr_scheduler": "Likewise, of the optimizer's learning rate.",
    "ckpt_path": "Go on with the state in this checkpoint, which is of no run.",
    "pruning": "What is pruned, how much, and when.",
    "prunetool": "What else a run needs.",
    "prunetool.version": "Of the prunetool that wrote this.",
    "prunetool.target": "The checkpoint to start from.",
}


def as_yaml(config: FullConfig, options_help: Mapping[str, str]) -> str:
    """Render.

    Args:
        config: what to render.
        options_help: a sentence on each option of the command, by its key.
    """
    comments = dict(_SECTIONS)
    for section in ("trainer", "pruning", "prunetool"):
        for key, text in options_help.items():
            comments.setdefault(f"{section}.{key}", text)
    comments = {**config.comments, **comments}
    lines: list[str] = []
    _add(lines, config.sections, "", comments, config.left_open)
    return "\n".join(lines) + "\n"


def _add(
    lines: list[str],
    values: Mapping[str, Any],
    path: str,
    comments: Mapping[str, str],
    left_open: Mapping[str, str],
) -> None:
    pad = "  " * path.count(".")
    for key, value in values.items():
        if not path and lines:
            lines.append("")
        here = f"{path}{key}"
        if here in comments:
            lines.append(f"{pad}# {_sentence(comments[here])}")
        below = [it for it in left_open if it.rpartition(".")[0] == here]
        if isinstance(value, Mapping) and (value or below) and _is_ours(here):
            lines.append(f"{pad}{key}:" if value else f"{pad}{key}: {{}}")
            _add(lines, value, f"{here}.", comments, left_open)
            for it in below:
                if it in comments:
                    lines.append(f"{pad}  # {_sentence(comments[it])}")
                lines.append(f"{pad}  # {it.rpartition('.')[2]}: ({left_open[it]})")
        else:
            text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True)
            lines.extend(textwrap.indent(text, pad).splitlines())


def _is_ours(path: str) -> bool:
    """A section, whose keys have comments; not a value that is a mapping."""
    return path.count(".") == 0 or path.endswith(".init_args")


def _sentence(text: str) -> str:
    """The first sentence, on one line."""
    words = " ".join(text.split()).replace("``", "")
    first, dot, _ = words.partition(". ")
    return textwrap.shorten(first + dot.strip(), _LONGEST, placeholder=" ...")
