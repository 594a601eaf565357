"""The axes of a method as a callback's arguments name them, and which go together."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.fit.arguments import PruningFunction, check_choice
from prunetool.pruning.allocation import Allocation
from prunetool.pruning.criteria import Criterion, Norm
from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern

_N_OF_M = re.compile(r"(\d+):(\d+)")
_PATTERNS = ("elements", "channels")


@dataclass(frozen=True)
class Axes:
    """What was said of each axis; None where nothing was.

    Attributes:
        criterion: ``"magnitude"``, ``"random"``, ``"saliency"`` or ``"movement"``.
        pattern: ``"elements"``, ``"channels"`` or N:M such as ``"2:4"``.
        allocation: ``"global"``, ``"uniform"``, ``"erk"`` or ``"lamp"``.
        max_layer_sparsity: no tensor becomes sparser, in (0, 1].
        min_layer_density: each tensor keeps this share, in [0, 1).
    """

    criterion: str | None = None
    pattern: str | None = None
    allocation: str | None = None
    max_layer_sparsity: float | None = None
    min_layer_density: float | None = None

    @property
    def given(self) -> list[str]:
        """Name the axes of which something was said."""
        return [name for name, value in vars(self).items() if value is not None]

    def check(self) -> None:
        """Check each for itself.

        Raises:
            MisconfigurationException: naming the argument.
        """
        if self.criterion is not None:
            check_choice("criterion", self.criterion, [known.value for known in Criterion])
        if self.allocation is not None:
            check_choice("allocation", self.allocation, [known.value for known in Allocation])
        if self.pattern is not None and not _N_OF_M.fullmatch(str(self.pattern)):
            check_choice("pattern", self.pattern, (*_PATTERNS, "2:4 (or any N:M)"))
        _check_share("max_layer_sparsity", self.max_layer_sparsity, low_open=True)
        _check_share("min_layer_density", self.min_layer_density, low_open=False)

    @property
    def max_sparsity(self) -> float:
        """The stricter of the two bounds, as a sparsity in (0, 1]."""
        high = 1.0 if self.max_layer_sparsity is None else float(self.max_layer_sparsity)
        return min(high, 1.0 - float(self.min_layer_density or 0.0))


def _check_share(argument: str, value: object, *, low_open: bool) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    inside = number and (0 < value <= 1 if low_open else 0 <= value < 1)  # type: ignore[operator]
    if not inside:
        interval = "(0, 1]" if low_open else "[0, 1)"
        raise MisconfigurationException(
            f"`{argument}` should be a fraction in {interval}, got {value!r}"
        )


def with_axes(
    function: PruningFunction, axes: Axes, *, pooled: bool, dim: int | None, norm: Norm | None
) -> PruningFunction:
    """Join what was said of the axes with what ``pruning_fn`` means.

    Args:
        function: what ``pruning_fn`` means by itself.
        axes: checked.
        pooled: ``use_global_unstructured``.
        dim: of channels.
        norm: of channels; 2 unless given.

    Raises:
        MisconfigurationException: for axes that contradict each other or mean nothing together.
    """
    base = function.engine
    if not axes.given:
        return function
    if not isinstance(base, Method):
        raise MisconfigurationException(
            f"`{axes.given[0]}` means nothing for a `BasePruningMethod` of your own "
            f"({function.log_name}), which decides for itself what it prunes"
        )
    criterion = Criterion(axes.criterion) if axes.criterion else base.criterion
    pattern = _pattern(axes.pattern, dim=dim, norm=norm) if axes.pattern else base.pattern
    if base != replace(Method(), allocation=base.allocation):  # anything but the default function
        _insist("criterion", criterion, base.criterion, function.log_name)
        _insist("pattern", type(pattern), type(base.pattern), function.log_name)
    method = Method(
        criterion,
        pattern,
        _allocation(axes.allocation, criterion, pattern, pooled=pooled),
        2 if norm is None else norm,
        axes.max_sparsity,
    )
    return replace(function, engine=method, log_name=_log_name(function, axes, method))


def _log_name(function: PruningFunction, axes: Axes, method: Method) -> str:
    if axes.criterion is None and axes.pattern is None:
        return function.log_name
    words = {Elements: "elements", Channels: "channels"}
    pattern = words.get(type(method.pattern)) or str(method.pattern)
    return f"{method.criterion.value} {pattern}"


def _allocation(
    text: str | None, criterion: Criterion, pattern: Pattern, *, pooled: bool
) -> Allocation:
    if text is not None:
        allocation = Allocation(text)
    elif isinstance(pattern, Channels) or not pooled:
        allocation = Allocation.UNIFORM
    else:
        allocation = Allocation.GLOBAL
    if allocation is Allocation.LAMP and not criterion.is_magnitude_like:
        raise MisconfigurationException(
            f"`allocation` 'lamp' compares energies, and {criterion.value} scores have none; "
            "take 'global', 'uniform' or 'erk', or the criterion 'magnitude' or 'saliency'"
        )
    return allocation


def _pattern(text: str, *, dim: int | None, norm: Norm | None) -> Pattern:
    numbers = _N_OF_M.fullmatch(str(text))
    if numbers:
        try:
            return NOfM(int(numbers[1]), int(numbers[2]))
        except ValueError as error:
            raise MisconfigurationException(f"`pattern` {error}") from None
    if text == "elements":
        return Elements()
    if dim is None:
        raise MisconfigurationException(
            "`pattern` 'channels' needs `pruning_dim` (0 for output channels)"
        )
    return Channels(dim, matrices_only=norm == "nuc")


def _insist(argument: str, got: object, expected: object, name: str) -> None:
    if got != expected:
        raise MisconfigurationException(
            f"`{argument}` contradicts `pruning_fn` {name}, which implies its own; "
            "leave `pruning_fn` out"
        )
