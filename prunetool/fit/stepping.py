"""What happens to masked parameters around an optimizer's step, by hooks on the optimizers.

A step costs one pass over the gradients, and where :mod:`prunetool.fit.steps` asks for it one over
the weights after it. Weights that were changed by hand are noticed by their version, a number that
torch raises at every change in place; a change through ``.data`` goes unnoticed until the next
:meth:`prunetool.fit.session.Session.settle`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from prunetool.fit.optimizer_state import zero_state, zero_state_of
from prunetool.fit.roots import raise_zeros, restore_zeros
from prunetool.fit.steps import EVERYTHING, passes_after
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.shards import local

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle


class Stepping:
    """Keeps pruned elements at zero through the steps of the optimizers that it watches.

    Args:
        masks: by parameter name; not copied.
    """

    def __init__(self, masks: MaskSet) -> None:
        self._masks = masks
        self._parameters: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}
        self._entangled: frozenset[str] = frozenset()
        self._versions: dict[str, int] = {}
        self._optimizers: list[Optimizer] = []
        self._masked_since_step: set[int] = set()
        self._looks_again = False
        self._handles: list[RemovableHandle] = []

    def know(self, parameters: Mapping[str, Tensor], *, entangled: Collection[int]) -> None:
        """Take ``parameters`` by the names of their masks, instead of those known before.

        Args:
            parameters: all that have a mask.
            entangled: ids of those whose memory other parameters share.
        """
        self._parameters = dict(parameters)
        self._names = {id(parameter): name for name, parameter in parameters.items()}
        self._entangled = frozenset(n for n, p in parameters.items() if id(p) in entangled)
        self._versions = {}

    def watch(self, optimizers: Iterable[Optimizer], *, look_again: bool) -> None:
        """Put hooks on ``optimizers``, torch's own, instead of those watched before.

        Args:
            optimizers: whose steps are to be seen.
            look_again: gradients may be changed after :meth:`mask_gradients`: mask them right
                before each step too. (A step that comes without it masks them in any case.)
        """
        self.release()
        self._looks_again = look_again
        for optimizer in optimizers:
            self._attach(optimizer)

    def release(self) -> None:
        """Remove every hook and let go of the optimizers."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._optimizers = [], []
        self._masked_since_step.clear()

    def mask_gradients(self, optimizer: Optimizer) -> None:
        """Zero the gradients of pruned elements among the optimizer's parameters."""
        if optimizer not in self._optimizers:  # made in the middle of the fit
            self._attach(optimizer)
        for name, parameter, _ in self._masked(optimizer):
            self._mask_gradient(name, parameter)
        self._masked_since_step.add(id(optimizer))

    def mask_all_gradients(self) -> None:
        """Zero the gradients of pruned elements, of whatever optimizer."""
        for name, parameter in self._parameters.items():
            self._mask_gradient(name, parameter)

    def tidy(self) -> None:
        """Before a batch: mask the weights that were changed by hand."""
        self._masked_since_step.clear()  # a step that AMP skipped never used them
        for name, parameter in self._parameters.items():
            self._tidy(name, parameter)

    def settle(self) -> None:
        """Make weights and optimizer state obey, however they came to be."""
        for name, parameter in self._parameters.items():
            self._masks.zero_(name, parameter)
            self._versions[name] = local(parameter)._version
        for optimizer in self._optimizers:
            self._zero_state(optimizer)

    def _attach(self, optimizer: Optimizer) -> None:
        self._optimizers.append(optimizer)
        self._handles += [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
            optimizer.register_load_state_dict_post_hook(self._zero_state),
        ]

    def _masked(self, optimizer: Optimizer) -> Iterator[tuple[str, Tensor, dict[str, Any]]]:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                name = self._names.get(id(parameter))
                if name is not None:
                    yield name, parameter, group

    def _mask_gradient(self, name: str, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self._masks.zero_(name, parameter.grad, every_step=True)

    def _tidy(self, name: str, parameter: Tensor) -> None:
        if local(parameter)._version != self._versions.get(name):
            self._masks.zero_(name, parameter)
            self._versions[name] = local(parameter)._version

    def _before_step(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Look at gradients as late as can be: after the closure where the step is given one."""
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._look(optimizer)
            return None

        def then_look() -> Any:
            loss = closure()
            self._look(optimizer)
            return loss

        if len(args) > 1:
            return (args[0], then_look, *args[2:]), kwargs
        return args, {**kwargs, "closure": then_look}

    def _look(self, optimizer: Optimizer) -> None:
        for name, parameter, options in self._masked(optimizer):
            # Weight decay would carry a weight set by hand into the momentum.
            self._tidy(name, parameter)
            raise_zeros(self._masks, name, parameter, optimizer, options)
        if self._looks_again or id(optimizer) not in self._masked_since_step:
            self.mask_gradients(optimizer)
        self._masked_since_step.discard(id(optimizer))

    def _after_step(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        for name, parameter, options in self._masked(optimizer):
            restore_zeros(self._masks, name, parameter, optimizer)
            passes = passes_after(optimizer, options, parameter.dtype)
            if name in self._entangled:
                passes = EVERYTHING
            if passes.weights:
                self._masks.zero_(name, parameter, every_step=True)
            if passes.state:
                zero_state_of(self._masks, name, parameter, optimizer)
            self._versions[name] = local(parameter)._version

    def _zero_state(self, optimizer: Optimizer) -> None:
        zero_state(self._masks, optimizer, lambda parameter: self._names.get(id(parameter)))
