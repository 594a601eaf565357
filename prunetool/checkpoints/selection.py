"""Which tensors of a checkpoint are exported, under which names, and which of them are one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch

from prunetool.checkpoints.globs import choose
from prunetool.checkpoints.provenance import RESERVED
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.errors import OptionError


@dataclass(frozen=True)
class Selection:
    """What to export and under which names.

    Attributes:
        include: globs over the names in the checkpoint; none means all.
        exclude: globs over the names in the checkpoint, applied last.
        strip_prefix: taken off the names that begin with it.
        dtype: what floating tensors are converted to; None leaves them.
        untie: write tied tensors once for each of their names.
        positive_zeros: write -0.0 as +0.0.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    strip_prefix: str = ""
    dtype: torch.dtype | None = None
    untie: bool = False
    positive_zeros: bool = False


EVERYTHING = Selection()


@dataclass(frozen=True)
class Chosen:
    """What was chosen.

    Attributes:
        tensors: what to write, by its new name, in the checkpoint's order.
        aliases: the other new names of tied tensors, each with the one that is written.
        tied: the tensors of these other names, by the checkpoint's name of the one written.
    """

    tensors: dict[str, NamedTensor]
    aliases: dict[str, str]
    tied: dict[str, list[NamedTensor]]

    @property
    def nbytes(self) -> int:
        """Bytes of the values as the checkpoint stores them, each as often as it is written."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def once(self, is_counted: Callable[[str], bool]) -> set[str]:
        """Return the checkpoint's names of those to be counted, one for each tensor.

        Args:
            is_counted: asked for every name in the checkpoint; one of tied names is enough.
        """
        found: dict[Hashable, str] = {}
        for tensor in self.tensors.values():
            names = [tensor.name, *(it.name for it in self.tied.get(tensor.name, ()))]
            if any(map(is_counted, names)):
                found.setdefault(tensor.identity, tensor.name)
        return set(found.values())


def select(tensors: Mapping[str, NamedTensor], selection: Selection) -> Chosen:
    """Choose among the tensors of a checkpoint.

    Of tied tensors the first name is written. An alias that is also the name of a field in the
    metadata of every export (``sparsity``) cannot be noted there, and is written out.

    Raises:
        OptionError: if a glob or the prefix matches nothing, or two names become one.
    """
    names = choose(tensors, include=selection.include, exclude=selection.exclude)
    new_names = _new_names(names, selection.strip_prefix)
    first: dict[Hashable, str] = {}
    written: dict[str, NamedTensor] = {}
    aliases: dict[str, str] = {}
    tied: dict[str, list[NamedTensor]] = {}
    for name in names:
        new, tensor = new_names[name], tensors[name]
        kept = first.setdefault(tensor.identity, new)
        if kept == new or selection.untie or new in RESERVED:
            written[new] = tensor
        else:
            aliases[new] = kept
            tied.setdefault(written[kept].name, []).append(tensor)
    return Chosen(written, aliases, tied)


def _new_names(names: Sequence[str], prefix: str) -> dict[str, str]:
    if prefix and not any(name.startswith(prefix) for name in names):
        raise OptionError(
            f"--strip-prefix {prefix}: no tensor begins with it; the first is '{names[0]}'"
        )
    stripped = {name: name.removeprefix(prefix) for name in names}
    of_new: dict[str, str] = {}
    for name, new in stripped.items():
        if (not new and prefix) or new in of_new:
            taken = f"and '{of_new[new]}' become '{new}'" if new else "is left without a name"
            raise OptionError(f"--strip-prefix {prefix}: '{name}' {taken}; choose another prefix")
        of_new[new] = name
    return stripped
