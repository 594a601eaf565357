"""An unpickler that imports nothing and calls nothing but torch's own rebuilding of tensors.

The globals that ``torch.load(weights_only=True)`` trusts are used as they are. Every other name
becomes a stand-in, where torch would refuse the whole file: real hyper-parameters hold paths,
enums, namespaces, numpy scalars and classes.
"""

from __future__ import annotations

import _codecs
import _compat_pickle
import functools
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import _weights_only_unpickler

from prunetool.checkpoints.standins import Made, Name, is_inert

_FIRST_PROTOCOL_WITH_PYTHON_3_NAMES = 3


class Unpickler(pickle._Unpickler):
    """Builds tensors and plain containers; records the rest as :class:`Made` and :class:`Name`.

    The pure-Python unpickler is the base because the C one calls ``cls.__new__`` and changes
    objects' ``__dict__`` with no way to step in between.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    # What the base class sets up while it loads; its type stubs leave it out.
    proto: int
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def find_class(self, module: str, name: str) -> Any:
        """Return a global that torch trusts, or a stand-in for it."""
        known = _trusted_globals().get(".".join(self._current_name(module, name)))
        return Name(module, name) if known is None else known

    def _current_name(self, module: str, name: str) -> tuple[str, str]:
        """Translate Python 2's names, which old protocols use, as pickle itself does."""
        if self.proto >= _FIRST_PROTOCOL_WITH_PYTHON_3_NAMES:
            return module, name
        if (module, name) in _compat_pickle.NAME_MAPPING:
            return _compat_pickle.NAME_MAPPING[(module, name)]
        return _compat_pickle.IMPORT_MAPPING.get(module, module), name

    def load_reduce(self) -> None:
        """REDUCE: call a function."""
        args = self.stack.pop()
        function = self.stack.pop()
        self.append(_call(function, args))

    def load_newobj(self) -> None:
        """NEWOBJ: make an object of a class."""
        args = self.stack.pop()
        cls = self.stack.pop()
        made = _call(cls, args)
        if isinstance(made, Made):
            made.opcode = pickle.NEWOBJ
        self.append(made)

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX: the same with keyword arguments; nothing that torch trusts needs it."""
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self.append(Made(pickle.NEWOBJ_EX, (self.stack.pop(), args, kwargs)))

    def _instantiate(self, cls: Any, args: Any) -> None:
        """Take the opcodes of protocols 0 and 1 (INST, OBJ) for a call."""
        self.append(_call(cls, tuple(args)))

    def load_build(self) -> None:
        """BUILD: give an object its state."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Made):
            target.steps.append((pickle.BUILD, [state]))
        elif type(target) is OrderedDict and isinstance(state, dict):
            target.__dict__.update(state)
        elif type(target) is torch.nn.Parameter and not is_inert(state):
            target.__setstate__(state)  # type: ignore[no-untyped-call]
        else:
            # Anything else would change a class or a function of this process.
            raise pickle.UnpicklingError(f"state for a {type(target).__name__}")

    def load_append(self) -> None:
        """APPEND: one item for a list."""
        self._grow(pickle.APPEND, [self.stack.pop()], list)

    def load_appends(self) -> None:
        """APPENDS: items for a list."""
        self._grow(pickle.APPENDS, self.pop_mark(), list)

    def load_additems(self) -> None:
        """ADDITEMS: items for a set."""
        self._grow(pickle.ADDITEMS, self.pop_mark(), set)

    def load_setitem(self) -> None:
        """SETITEM: one pair for a dict."""
        value = self.stack.pop()
        self._grow(pickle.SETITEM, [self.stack.pop(), value], dict)

    def load_setitems(self) -> None:
        """SETITEMS: keys and values, in turn, for a dict."""
        self._grow(pickle.SETITEMS, self.pop_mark(), dict)

    def _grow(self, opcode: bytes, values: list[Any], container: type) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            target.steps.append((opcode, values))
        elif type(target) not in _GROWN_BY[container]:
            raise pickle.UnpicklingError(f"items for a {type(target).__name__}")
        elif container is list:
            target.extend(values)
        else:
            target.update(values if container is set else _pairs(values))

    for _opcode, _load in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_newobj),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.ADDITEMS, load_additems),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
    ):
        dispatch[_opcode[0]] = _load


_GROWN_BY: dict[type, tuple[type, ...]] = {
    list: (list,),
    set: (set,),
    dict: (dict, OrderedDict, Counter),
}


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))


def _call(function: Any, args: Any) -> Any:
    """Call what torch trusts with arguments that were built; record any other call."""
    if is_inert(function) or any(is_inert(arg) for arg in args):
        return Made(pickle.REDUCE, (function, args))
    if function is _codecs.encode and args[1:] != ("latin1",):
        # Another codec would be imported; pickle itself writes bytes with latin1 only.
        return Made(pickle.REDUCE, (function, args))
    if id(function) not in _trusted_callables():
        raise pickle.UnpicklingError(f"a call of a {type(function).__name__}")
    return function(*args)


@functools.cache
def _trusted_globals() -> dict[str, Any]:
    # Not with what the process added by `add_safe_globals`: that is for its own files.
    return dict(_weights_only_unpickler._get_allowed_globals())


@functools.cache
def _trusted_callables() -> frozenset[int]:
    functions: list[Callable[..., Any]] = list(_trusted_globals().values())
    return frozenset(id(function) for function in functions if callable(function))
