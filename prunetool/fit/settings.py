"""What the user asked of a callback, resolved once at the edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.fit.arguments import PruningFunction
from prunetool.fit.timeline import Moment, Window
from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Elements, Pattern
from prunetool.pruning.schedules import Schedule
from prunetool.pruning.targets import Site

DOCUMENTED, MATRICES = "documented", "matrices"


@dataclass(frozen=True)
class Settings:
    """A callback's arguments after their check; see :class:`prunetool.ModelPruning`.

    Attributes:
        rewinds: whether to reset to early values: always (but after the last epoch), never, or as
            a callable of the epoch says.
    """

    function: PruningFunction
    requested: Sequence[Site]
    parameter_names: Sequence[str]
    default_targets: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    applies: bool | Callable[[int], bool]
    permanent: bool
    rewinds: bool | Callable[[int], bool]
    resample: bool
    rewind_step: int
    verbose: int
    sparsity: float | None
    schedule: Schedule
    window: Window | None

    @property
    def pattern(self) -> Pattern:
        """What is removed together."""
        engine = self.function.engine
        return engine.pattern if isinstance(engine, Method) else Elements()

    @property
    def pooled(self) -> bool:
        """Whether all tensors compete."""
        engine = self.function.engine
        return engine.pooled if isinstance(engine, Method) else True


def window(
    start: int | str | None, end: int | str | None, every: int | str | None, *, needed: bool
) -> Window | None:
    """Read the moments; None if none is given and none is ``needed``.

    Raises:
        MisconfigurationException: naming what is wrong with which of them.
    """
    if not needed and start is None and end is None and every is None:
        return None
    try:
        read = Window(
            *(
                None if value is None else Moment.parse(value, what=what)
                for what, value in (("start", start), ("end", end), ("every", every))
            )
        )
        _ = read.unit  # checks that the moments go together
    except ValueError as error:
        raise MisconfigurationException(str(error)) from None
    return read
