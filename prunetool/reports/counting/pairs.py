"""Two checkpoints gone through side by side: each tensor of each is read once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prunetool.checkpoints.globs import choose
from prunetool.checkpoints.progress import Advance, unseen
from prunetool.checkpoints.reader import Checkpoint, open_checkpoint
from prunetool.checkpoints.tensors import NamedTensor
from prunetool.reports.compare import Comparison, compare
from prunetool.reports.counting.boxes import box_shape, boxes, read_box
from prunetool.reports.counting.changes import Change, ChangeCounter
from prunetool.reports.counting.counting import Chosen, chosen_of, parameters_of
from prunetool.reports.counting.zeros import PIECE, ZeroCounter, Zeros, find_zeros


def choose_pair(
    first: Path,
    second: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    trust: bool = False,
) -> ChosenPair:
    """Open two checkpoints and choose from their parameters.

    Tied tensors go by the first of their names in the first checkpoint, in both.

    Args:
        include: globs over the names in both; each has to match in one of them. None means all.
        exclude: likewise, applied last.
        trust: whether to run what a pickle asks for.

    Raises:
        CheckpointError: if a file cannot be read.
        OptionError: if a glob matches nothing.
    """
    opened = [open_checkpoint(path, trust=trust) for path in (first, second)]
    ours = parameters_of(opened[0])
    theirs = _named_alike(parameters_of(opened[1]), opened[1], opened[0])
    wanted = set(choose([*ours, *theirs.keys() - ours.keys()], include=include, exclude=exclude))
    of_first, of_second = (
        chosen_of(checkpoint, parameters, [name for name in parameters if name in wanted])
        for checkpoint, parameters in zip(opened, (ours, theirs), strict=True)
    )
    return ChosenPair(of_first, of_second)


def _named_alike(
    parameters: Mapping[str, NamedTensor], checkpoint: Checkpoint, old: Checkpoint
) -> dict[str, NamedTensor]:
    """Call what is tied in one of two checkpoints as the other calls it first."""
    first_names: dict[Hashable, str] = {}
    for name, tensor in old.tensors.items():
        first_names.setdefault(tensor.identity, name)
    alike: dict[Hashable, str] = {}
    for name, tensor in checkpoint.tensors.items():
        there = old.tensors.get(name)
        first = None if there is None else first_names[there.identity]
        # By another name only where nothing here has that name.
        if first is not None and (first == name or first not in checkpoint.tensors):
            alike.setdefault(tensor.identity, first)
    renamed: dict[str, NamedTensor] = {}
    for name, tensor in parameters.items():
        called = alike.get(tensor.identity, name)
        called = name if called in renamed else called
        renamed[called] = replace(tensor, name=called)
    return renamed


@dataclass(frozen=True)
class ChosenPair:
    """What a comparison is to be about, not read yet; what is one layer has one name in both."""

    first: Chosen
    second: Chosen

    @property
    def nbytes(self) -> int:
        """Bytes that a comparison goes through."""
        return self.first.nbytes + self.second.nbytes

    def comparison(self, advance: Advance = unseen) -> Comparison:
        """Read both once, and count; tensors of one name but different shapes each by itself.

        Raises:
            CheckpointError: if a file cannot be read.
        """
        theirs = {tensor.name: tensor for tensor in self.second.tensors}
        counted: tuple[dict[str, Zeros], dict[str, Zeros]] = ({}, {})
        changes = {}
        for old in self.first.tensors:
            name, new = old.name, theirs.get(old.name)
            if new is not None and new.shape == old.shape:
                found = count_pair(old, new, advance=advance)
                counted[0][name], counted[1][name], changes[name] = found
            else:
                counted[0][name] = find_zeros(old.flat, old.shape, advance=advance)
        for name, new in theirs.items():
            if name not in changes:
                counted[1][name] = find_zeros(new.flat, new.shape, advance=advance)
        return compare(self.first.report_of(counted[0]), self.second.report_of(counted[1]), changes)


def count_pair(
    old: NamedTensor, new: NamedTensor, *, advance: Advance = unseen, piece: int = PIECE
) -> tuple[Zeros, Zeros, Change]:
    """Read two tensors of one shape piece by piece, and count in each and between them.

    Args:
        advance: told the bytes of each piece of each.
        piece: elements of each to hold at once.
    """
    shape = old.shape
    if shape.numel() == 0:
        return find_zeros(old.flat, shape), find_zeros(new.flat, shape), Change(0, 0, 0.0)
    cut = box_shape(shape, piece)
    of_old, of_new, between = ZeroCounter(shape, cut), ZeroCounter(shape, cut), ChangeCounter()
    for box in boxes(shape, cut):
        ours, theirs = read_box(old.flat, shape, box), read_box(new.flat, shape, box)
        between.see(ours, theirs)  # first: the others may change the values
        of_old.see(box, ours)
        of_new.see(box, theirs)
        advance(ours.nbytes + theirs.nbytes)
    return of_old.zeros(), of_new.zeros(), between.change()
