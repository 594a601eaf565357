"""The calls in a pickle that are understood: torch's for tensors, and a few plain values.

None of the named functions is called. What they would make is described here from their
arguments, after checking these; a call that is not understood is None, and stays a stand-in.
"""

from __future__ import annotations

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from prunetool.checkpoints.sizes import is_size
from prunetool.checkpoints.torch_files.derived import quantized_tensor, sparse_tensor
from prunetool.checkpoints.torch_files.limits import ImpossibleError, check_key
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.storages import QUANTIZED, Storage, stored_dtype
from prunetool.checkpoints.torch_files.views import (
    View,
    ViewTensor,
    checked_view,
    shape_of,
    strides_of,
)

_UTILS = "torch._utils"
V2 = Name(_UTILS, "_rebuild_tensor_v2")
V3 = Name(_UTILS, "_rebuild_tensor_v3")
PARAMETER = Name(_UTILS, "_rebuild_parameter")
PARAMETER_WITH_STATE = Name(_UTILS, "_rebuild_parameter_with_state")
FROM_TYPE = Name("torch._tensor", "_rebuild_from_type_v2")
_SPARSE = Name(_UTILS, "_rebuild_sparse_tensor")
_QUANTIZED = Name(_UTILS, "_rebuild_qtensor")
_V1 = Name(_UTILS, "_rebuild_tensor")
_OF_TENSORS = frozenset(
    {_V1, V2, V3, PARAMETER, PARAMETER_WITH_STATE, FROM_TYPE, _SPARSE, _QUANTIZED}
)


def rebuilt(name: Name, written: Name, args: Any) -> Any:
    """Return what the call ``name(*args)`` makes, or None if that is not known.

    Args:
        name: in the words of today's Python.
        written: as the file has it.

    Raises:
        ImpossibleError: if what it would make cannot be.
        RefusedError: if it asks for more than a checkpoint needs.
    """
    if not isinstance(args, tuple):
        return None
    value = _VALUES.get((name.module, name.qualname))
    if value is not None:
        return value(*args)
    if name not in _OF_TENSORS:
        return None
    recipe = Made(pickle.REDUCE, (written, args))
    if name in (_V1, V2, V3):
        return _tensor(name, args, recipe)
    if name in (PARAMETER, PARAMETER_WITH_STATE):
        return _like(args[0], recipe) if args and isinstance(args[0], ViewTensor) else None
    if name == FROM_TYPE:
        return _of_type(args, recipe)
    if name == _SPARSE:
        return sparse_tensor(args, recipe)
    if name == _QUANTIZED:
        return quantized_tensor(args, recipe)
    return None


def _tensor(name: Name, args: tuple[Any, ...], recipe: Made) -> ViewTensor | None:
    """The values are views: (storage, offset, shape, stride, gradient, hooks, [dtype], [more])."""
    if len(args) < 4 or not isinstance(args[0], Storage):
        return None
    storage, offset, shape, stride = args[:4]
    dtype = args[6] if name == V3 and len(args) > 6 else stored_dtype(storage.kind)
    if not isinstance(dtype, torch.dtype) or dtype in QUANTIZED:
        return None
    more = args[7 if name == V3 else 6 :]
    bits = more[0] if more and isinstance(more[0], dict) else {}
    if not is_size(offset):
        raise ImpossibleError("a tensor without an offset from 0 on")
    strides = strides_of(stride)
    view = View(
        offset, shape_of(shape), strides, dtype, bool(bits.get("conj")), bool(bits.get("neg"))
    )
    if len(view.stride) != len(view.shape):
        raise ImpossibleError("a tensor with more strides than dimensions, or fewer")
    return ViewTensor(storage, checked_view(storage, view), recipe)


def _like(tensor: ViewTensor, recipe: Made) -> ViewTensor:
    return ViewTensor(tensor.storage, tensor.view, recipe)


def _of_type(args: tuple[Any, ...], recipe: Made) -> ViewTensor | None:
    """A tensor of a subclass, or with attributes: (function, class, its arguments, state)."""
    if len(args) != 4 or args[0] not in (_V1, V2, V3, PARAMETER, PARAMETER_WITH_STATE):
        return None
    inner = rebuilt(args[0], args[0], args[2])
    return _like(inner, recipe) if isinstance(inner, ViewTensor) else None


def _ordered(*args: Any) -> OrderedDict[Any, Any] | None:
    if not args:
        return OrderedDict()
    if len(args) != 1 or not isinstance(args[0], list):
        return None
    pairs = args[0]
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        return None
    for key, _ in pairs:
        check_key(key)
    return OrderedDict((key, value) for key, value in pairs)


def _size(*args: Any) -> torch.Size | None:
    return shape_of(args[0]) if len(args) == 1 and isinstance(args[0], tuple | list) else None


def _bytes(*args: Any) -> bytes | None:
    """Protocol 2 writes bytes as text; any other codec would have to be looked up."""
    if len(args) != 2 or args[1] != "latin1" or not isinstance(args[0], str):
        return None
    return args[0].encode("latin1")


def _set(*args: Any) -> set[Any] | None:
    if len(args) != 1 or not isinstance(args[0], list):
        return None
    for key in args[0]:
        check_key(key)
    return set(args[0])


def _counter(*args: Any) -> Counter[Any] | None:
    return Counter(args[0]) if len(args) == 1 and type(args[0]) is dict else None


def _complex(*args: Any) -> complex | None:
    if len(args) != 2 or not all(isinstance(part, int | float) for part in args):
        return None
    return complex(*args)


def _device(*args: Any) -> torch.device | None:
    if not args or not all(isinstance(part, str | int) for part in args[:2]):
        return None
    try:
        return torch.device(*args)
    except (RuntimeError, TypeError):
        return None


_VALUES: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered,
    ("collections", "Counter"): _counter,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    ("_codecs", "encode"): _bytes,
    ("builtins", "set"): _set,
    ("builtins", "complex"): _complex,
}


_DTYPES = {name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)}


def dtype_named(name: Name) -> torch.dtype | None:
    """Return the dtype that a file refers to, if it is one: they are values, not calls."""
    return _DTYPES.get(name.qualname) if name.module == "torch" else None
