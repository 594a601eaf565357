"""An unpickler that imports nothing and calls nothing that a file names.

Tensors and plain containers are built by ``rebuilding.py``. Everything else becomes a stand-in,
where torch would refuse the whole file: real hyper-parameters hold paths, enums, namespaces,
numpy scalars and classes.
"""

from __future__ import annotations

import _compat_pickle
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any, ClassVar

from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.torch_files.counted_unpickler import CountedUnpickler
from prunetool.checkpoints.torch_files.limits import (
    PICKLE_STEPS,
    VIEWS_OF_A_BYTE,
    VIEWS_OF_ANY_FILE,
    RefusedError,
    check_nesting,
)
from prunetool.checkpoints.torch_files.rebuilding import dtype_named, rebuilt
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.storages import Storage
from prunetool.checkpoints.torch_files.views import ViewTensor

_FIRST_PROTOCOL_WITH_PYTHON_3_NAMES = 3


class Unpickler(CountedUnpickler):
    """Builds tensors and plain containers; records the rest as :class:`Made` and :class:`Name`.

    Args:
        file: open for reading, at the start of a pickle.
        storage: returns what a persistent id of torch refers to; without it there is none.
        steps: the most opcodes that are read.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(CountedUnpickler.dispatch)

    def __init__(
        self,
        file: IO[bytes],
        storage: Callable[[Any], Any] | None = None,
        *,
        steps: int = PICKLE_STEPS,
    ) -> None:
        super().__init__(file, steps=steps)
        self._storage = storage
        self._stored: dict[int, Storage] = {}  # those that were referred to
        self._stored_bytes = 0
        self._shown_bytes = 0  # of all tensors

    def load(self) -> Any:
        """Read one pickle, and make sure that what it holds can be gone through.

        Raises:
            RefusedError: if it asks for more than a checkpoint needs.
            Exception: whatever a damaged or forged pickle makes the unpickler stumble over.
        """
        content = super().load()
        check_nesting(content)
        return content

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage that a tensor refers to."""
        if self._storage is None:
            raise pickle.UnpicklingError("values outside of the pickle")
        found = self._storage(pid)
        if isinstance(found, Storage) and id(found) not in self._stored:
            self._stored[id(found)] = found
            self._stored_bytes += found.nbytes
        return found

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for a class or function; dtypes are values and returned as such."""
        named = Name(module, name)
        dtype = dtype_named(named)
        return named if dtype is None else dtype

    def get_extension(self, code: int) -> None:
        """Refuse numbers that stand for classes registered in this process."""
        raise pickle.UnpicklingError(f"extension code {code}")

    def _current(self, name: Name) -> Name:
        """Translate Python 2's names, which old protocols use, as pickle itself does."""
        if self.proto >= _FIRST_PROTOCOL_WITH_PYTHON_3_NAMES:
            return name
        pair = name.module, name.qualname
        if pair in _compat_pickle.NAME_MAPPING:
            return Name(*_compat_pickle.NAME_MAPPING[pair])
        return Name(_compat_pickle.IMPORT_MAPPING.get(name.module, name.module), name.qualname)

    def _called(self, function: Any, args: Any) -> Any:
        if isinstance(function, Name):
            made = rebuilt(self._current(function), function, args)
            if isinstance(made, ViewTensor):
                self._show(made)
            if made is not None:
                return made
        elif not isinstance(function, Made):
            raise pickle.UnpicklingError(f"a call of a {type(function).__name__}")
        return Made(pickle.REDUCE, (function, args))

    def _show(self, tensor: LazyTensor) -> None:
        self._shown_bytes += tensor.nbytes
        if self._shown_bytes > VIEWS_OF_ANY_FILE + VIEWS_OF_A_BYTE * self._stored_bytes:
            raise RefusedError("tensors that show the same values again and again")

    def load_reduce(self) -> None:
        """REDUCE: call a function."""
        args = self.stack.pop()
        self.append(self._called(self.stack.pop(), args))

    def load_newobj(self) -> None:
        """NEWOBJ: make an object of a class."""
        args = self.stack.pop()
        made = self._called(self.stack.pop(), args)
        if isinstance(made, Made):
            made.opcode = pickle.NEWOBJ
        self.append(made)

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX: the same with keyword arguments; nothing that is built here needs it."""
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self.append(Made(pickle.NEWOBJ_EX, (self.stack.pop(), args, kwargs)))

    def _instantiate(self, cls: Any, args: Any) -> None:
        """Take the opcodes of protocols 0 and 1 (INST, OBJ) for a call."""
        self.append(self._called(cls, tuple(args)))

    def load_build(self) -> None:
        """BUILD: give an object its state."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Made):
            target.steps.append((pickle.BUILD, [state]))
        elif type(target) is OrderedDict and isinstance(state, dict):
            target.__dict__.update(state)
        else:
            # Anything else would change a class or a function of this process.
            raise pickle.UnpicklingError(f"state for a {type(target).__name__}")

    for _opcode, _load in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_newobj),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
    ):
        dispatch[_opcode[0]] = _load
