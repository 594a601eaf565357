"""Multiply-accumulates of a forward pass, by torch's own counter, for each parameter.

An operation that multiplies by a parameter needs one multiply-accumulate for each of its non-zero
elements that it meets: at density d of the parameter, d of them are effective. What multiplies two
activations (attention scores) stays as dense as it is.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from prunetool.checkpoints.prefixes import without_prefixes

_FLOPS_A_MAC = 2  # a multiplication and an addition


@dataclass
class MacCounts:
    """Multiply-accumulates of one forward pass.

    Attributes:
        by_parameter: those that multiply by this parameter, by its first name in the model; the
            parameters that nothing multiplies by are not there.
        elsewhere: all others.
        first_names: of every name of every parameter that of the same tensor that comes first.
    """

    by_parameter: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    first_names: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """All names of all parameters of the model, and of its buffers."""
        return frozenset(self.first_names)

    def first_name(self, name: str) -> str:
        """Give the name that ``by_parameter`` knows a parameter by, tied ones included."""
        return self.first_names.get(name, name)

    def per_sample(self, samples: int) -> MacCounts:
        """Divide by the number of samples in the batch that went through."""
        shares = {name: round(macs / samples) for name, macs in self.by_parameter.items()}
        return MacCounts(shares, round(self.elsewhere / samples), self.first_names)


def count_macs(module: nn.Module, *inputs: Any, **named_inputs: Any) -> MacCounts:
    """Count what one forward pass does with the parameters of ``module``, in its present mode.

    Nothing is computed where the model runs on the device "meta"; where it does not (it looks at
    values, or makes tensors on a device of its own choice), it runs for real.

    Args:
        module: as it is; it is not changed.
        inputs, named_inputs: what ``forward`` is called with.

    Raises:
        Exception: whatever ``forward`` raises on the real inputs.
    """
    with suppress(Exception):
        inputs_there, named_there = tree_map(_on_meta, (inputs, named_inputs))
        return _count(_shell(module), inputs_there, named_there)
    return _count(module, inputs, named_inputs)


def _count(module: nn.Module, inputs: Sequence[Any], named: Mapping[str, Any]) -> MacCounts:
    names = {name: id(p) for name, p in module.named_parameters(remove_duplicate=False)}
    plain = without_prefixes(names, own_module=True)
    first = {tensor: plain[name] for name, tensor in reversed(names.items())}
    counter = _Counter({first[id(p)]: p.detach() for p in module.parameters()}, (inputs, named))
    with torch.no_grad(), _as_counted(), counter:
        module(*inputs, **named)
    buffers = without_prefixes([it for it, _ in module.named_buffers()], own_module=True)
    first_names = {it: it for it in buffers.values()}  # some files do not tell them apart
    first_names |= {plain[name]: first[tensor] for name, tensor in names.items()}
    return MacCounts(counter.by_parameter, counter.elsewhere, first_names)


def _shell(module: nn.Module) -> nn.Module:
    """Copy a module without its values: what is one tensor in it is one in the copy."""
    memo: dict[int, Any] = {
        id(it): nn.Parameter(_on_meta(it.detach()), it.requires_grad) for it in module.parameters()
    }
    memo |= {id(it): _on_meta(it) for it in module.buffers()}
    return copy.deepcopy(module, memo)


def _on_meta(value: Any) -> Any:
    return torch.empty_like(value, device="meta") if isinstance(value, Tensor) else value


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, and follows parameters through casts, masks and transpositions.

    Args:
        parameters: by name.
        inputs: of the model; what is computed from them is no parameter any more.
    """

    def __init__(self, parameters: Mapping[str, Tensor], inputs: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_parameter: dict[str, int] = {}
        self.elsewhere = 0
        self._names: dict[int, str] = {}
        self._activations: set[int] = set()
        self._alive: list[Tensor] = []  # a storage that is freed may be given to another tensor
        for name, parameter in parameters.items():
            self._names[self._key(parameter)] = name
        self._activations |= {self._key(it) for it in _tensors(inputs)}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation under torch's counter, and note whose it is."""
        kwargs = kwargs or {}
        with FlopCounterMode(display=False) as counter:
            out = func(*args, **kwargs)
        used = {self._key(it): it for it in _tensors((args, kwargs))}
        weights = {self._names[key]: it for key, it in used.items() if key in self._names}
        if flops := counter.get_total_flops():
            self._note(weights, math.ceil(flops / _FLOPS_A_MAC))
        if used.keys() & self._activations:
            self._activations |= {self._key(it) for it in _tensors(out)} - self._names.keys()
        else:
            self._follow(weights, out)
        return out

    def _note(self, weights: Mapping[str, Tensor], macs: int) -> None:
        matrices = {name: it for name, it in weights.items() if it.dim() > 1}
        if not matrices:  # a bias is only added
            self.elsewhere += macs
            return
        name = max(matrices, key=lambda it: matrices[it].numel())
        self.by_parameter[name] = self.by_parameter.get(name, 0) + macs

    def _follow(self, weights: Mapping[str, Tensor], out: Any) -> None:
        """What has as many elements as the one weight that it is made of stands for it."""
        for tensor in _tensors(out):
            whole = [name for name, it in weights.items() if it.numel() == tensor.numel()]
            if len(whole) == 1:
                self._names.setdefault(self._key(tensor), whole[0])

    def _key(self, tensor: Tensor) -> int:
        self._alive.append(tensor)
        return int(tensor.untyped_storage()._cdata)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (it for it in tree_leaves(tree) if isinstance(it, Tensor) and it.layout is torch.strided)


@contextmanager
def _as_counted() -> Iterator[None]:
    """Keep torch from kernels that its counter has no formula for: it takes them for nothing."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    onednn = torch._C._get_mkldnn_enabled()
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast_path)
        torch._C._set_mkldnn_enabled(False)
        stack.callback(torch._C._set_mkldnn_enabled, onednn)
        yield
