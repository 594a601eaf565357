"""An unpickler whose containers cannot be made slow to build, and whose steps are counted.

It knows of stand-ins (``standins.py``) that what is done to an object is recorded, not done.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any, ClassVar

from prunetool.checkpoints.torch_files.limits import PICKLE_STEPS, RefusedError, check_key
from prunetool.checkpoints.torch_files.standins import Made

_LONGEST_BYTEARRAY_STEP = 2**16


class _Counted(dict[int, Any]):
    """Finds what reads an opcode, a limited number of times."""

    def __init__(self, found: dict[int, Any], steps: int) -> None:
        super().__init__(found)
        self._most = self._left = steps

    def __getitem__(self, opcode: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise RefusedError(f"a pickle of more than {self._most} steps")
        return super().__getitem__(opcode)


class CountedUnpickler(pickle._Unpickler):
    """Builds plain containers.

    The pure-Python unpickler is the base because the C one calls ``cls.__new__`` and changes
    objects' ``__dict__`` with no way to step in between.

    Args:
        file: open for reading, at the start of a pickle.
        steps: the most opcodes that are read.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    # What the base class sets up while it loads; its type stubs leave it out.
    proto: int
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def __init__(self, file: IO[bytes], *, steps: int = PICKLE_STEPS) -> None:
        super().__init__(file, encoding="utf-8", errors="surrogateescape")
        self.dispatch = _Counted(type(self).dispatch, steps)  # type: ignore[misc]

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

    def load_dict(self) -> None:
        """DICT: a new dict of keys and values, in turn."""
        self.append(_pairs(self.pop_mark()))

    def load_frozenset(self) -> None:
        """FROZENSET: a new one."""
        items = self.pop_mark()
        for item in items:
            check_key(item)
        self.append(frozenset(items))

    def load_bytearray8(self) -> None:
        """BYTEARRAY8: bytes; not as many as the file says, but as many as there are."""
        size = int.from_bytes(self.read(8), "little")
        content = bytearray()
        while len(content) < size:
            part = self.read(min(size - len(content), _LONGEST_BYTEARRAY_STEP))
            if not part:
                raise pickle.UnpicklingError("a pickle that is cut off")
            content += part
        self.append(content)

    def _grow(self, opcode: bytes, values: list[Any], container: type) -> None:
        target = self.stack[-1]
        if isinstance(target, Made):
            target.steps.append((opcode, values))
        elif type(target) not in _GROWN_BY[container]:
            raise pickle.UnpicklingError(f"items for a {type(target).__name__}")
        elif container is list:
            target.extend(values)
        elif container is dict:
            target.update(_pairs(values))
        else:
            for value in values:
                check_key(value)
            target.update(values)

    for _opcode, _load in (
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.ADDITEMS, load_additems),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.DICT, load_dict),
        (pickle.FROZENSET, load_frozenset),
        (pickle.BYTEARRAY8, load_bytearray8),
    ):
        dispatch[_opcode[0]] = _load


_GROWN_BY: dict[type, tuple[type, ...]] = {
    list: (list,),
    set: (set,),
    dict: (dict, OrderedDict),
}


def _pairs(values: list[Any]) -> dict[Any, Any]:
    keys = values[::2]
    for key in keys:
        check_key(key)
    return dict(zip(keys, values[1::2], strict=True))
