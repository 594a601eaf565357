"""The pickler that writes stand-ins back as the very references and calls they were read from."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from prunetool.checkpoints.byte_source import FileTensor
from prunetool.checkpoints.lazy import LazyTensor
from prunetool.checkpoints.sharded.chunks import ChunkedTensor
from prunetool.checkpoints.torch_files.derived import DerivedTensor
from prunetool.checkpoints.torch_files.new_tensors import NewStorage, NewTensor, recipe_of
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.storages import UNTYPED, Storage, storage_kind, stored_dtype
from prunetool.checkpoints.torch_files.views import ViewTensor

_FIRST_PROTOCOL_WITH_STACK_GLOBAL = 4
_BATCH_OPCODES = (pickle.APPENDS, pickle.SETITEMS, pickle.ADDITEMS)
_DEVICE = "cpu"  # wherever the tensors were when they were saved: the file can be read anywhere


class Pickler(pickle._Pickler):
    """Pickles as usual, and :class:`Name` and :class:`Made` as the file that they came from did.

    Write with the protocol that the file was read with: names are spelt by protocol.

    Attributes:
        storages: what the tensors look at, in the order of their keys 0, 1, 2 ...
    """

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)
    # What the base class sets up; its type stubs leave it out.
    proto: int
    write: Callable[[bytes], object]
    if TYPE_CHECKING:

        def save(self, obj: Any) -> None: ...  # noqa: D102
        def memoize(self, obj: Any) -> None: ...  # noqa: D102

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[Storage | NewStorage | torch.UntypedStorage] = []
        self._keys: dict[Any, str] = {}

    def persistent_id(self, obj: Any) -> Any:
        """Return what stands for a storage: ("storage", class, key, device, elements)."""
        if isinstance(obj, Storage):
            kind, nbytes = obj.kind, obj.nbytes
            identity: Any = (id(obj.source), obj.start)
        elif isinstance(obj, NewStorage):
            kind, nbytes, identity = obj.kind, obj.nbytes, id(obj)
        elif isinstance(obj, torch.storage.TypedStorage):
            found = storage_kind(obj.dtype)
            kind = UNTYPED if found is None else found
            obj = obj._untyped_storage
            nbytes, identity = obj.nbytes(), obj._cdata
        elif isinstance(obj, torch.UntypedStorage):
            kind, nbytes, identity = UNTYPED, obj.nbytes(), obj._cdata
        else:
            return None
        if identity not in self._keys:
            self._keys[identity] = str(len(self.storages))
            self.storages.append(obj)
        dtype = stored_dtype(kind)
        assert dtype is not None
        return "storage", kind, self._keys[identity], _DEVICE, nbytes // dtype.itemsize

    def save_name(self, name: Name) -> None:
        """Refer to a class or function as the file did."""
        if self.proto >= _FIRST_PROTOCOL_WITH_STACK_GLOBAL:
            self.save(name.module)
            self.save(name.qualname)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{name.module}\n{name.qualname}\n".encode())
        self.memoize(name)

    def save_made(self, made: Made) -> None:
        """Make an object by the opcodes that the file made it by."""
        self._make(made, made)

    def save_tensor(self, tensor: LazyTensor) -> None:
        """Make a tensor by the call that the file made it by, or by torch's own."""
        self._make(recipe_of(tensor), tensor)

    def _make(self, made: Made, obj: Any) -> None:
        for part in made.parts:
            self.save(part)
        self.write(made.opcode)
        # Before the steps: an object's state may refer to the object.
        self.memoize(obj)
        for opcode, values in made.steps:
            self._save_step(opcode, values)

    def _save_step(self, opcode: bytes, values: list[Any]) -> None:
        if opcode in _BATCH_OPCODES:
            self.write(pickle.MARK)
        for value in values:
            self.save(value)
        self.write(opcode)

    dispatch[Name] = save_name
    dispatch[Made] = save_made
    for _tensor in (ViewTensor, DerivedTensor, NewTensor, FileTensor, ChunkedTensor):
        dispatch[_tensor] = save_tensor
