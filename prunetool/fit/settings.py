"""What the user asked of a callback, resolved once at the edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.fit.arguments import PruningFunction
from prunetool.fit.timeline import Moment, Window
from prunetool.pruning.allocation import Allocation
from prunetool.pruning.method import Method
from prunetool.pruning.patterns import Channels, Elements, Pattern
from prunetool.pruning.schedules import Curve, Schedule
from prunetool.pruning.targets import Site

DOCUMENTED, MATRICES = "documented", "matrices"


@dataclass(frozen=True)
class Settings:
    """A callback's arguments after their check; see :class:`prunetool.ModelPruning`.

    Attributes:
        rewinds: whether to reset to early values: always (but after the last epoch), never, or as
            a callable of the epoch says.
        skip_unfit: leave out what an N:M pattern does not fit, instead of refusing it.
        schedule: the curve to ``sparsity``.
    """

    function: PruningFunction
    requested: Sequence[Site | str]
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
    schedule: Schedule | Curve
    window: Window | None
    skip_unfit: bool = False

    @property
    def pattern(self) -> Pattern:
        """What is removed together."""
        engine = self.function.engine
        return engine.pattern if isinstance(engine, Method) else Elements()

    @property
    def each_tensor_for_itself(self) -> bool:
        """Whether an amount counts in each tensor, not over all together."""
        engine = self.function.engine
        return isinstance(engine, Method) and engine.allocation is Allocation.UNIFORM

    @property
    def unit(self) -> str:
        """What amounts count, in words."""
        return "channels" if isinstance(self.pattern, Channels) else "elements"

    @property
    def schedule_name(self) -> str:
        """The curve in words."""
        if isinstance(self.schedule, Schedule):
            return self.schedule.value
        return getattr(self.schedule, "__name__", type(self.schedule).__name__)


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
