"""The pickler that writes stand-ins back as the very references and calls they were read from."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from prunetool.checkpoints.standins import Made, Name

_FIRST_PROTOCOL_WITH_STACK_GLOBAL = 4
_BATCH_OPCODES = (pickle.APPENDS, pickle.SETITEMS, pickle.ADDITEMS)


class Pickler(pickle._Pickler):
    """Pickles as usual, and :class:`Name` and :class:`Made` as the file that they came from did.

    Write with the protocol that the file was read with: names are spelt by protocol.
    """

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)
    # What the base class sets up; its type stubs leave it out.
    proto: int
    write: Callable[[bytes], object]
    if TYPE_CHECKING:

        def save(self, obj: Any) -> None: ...  # noqa: D102
        def memoize(self, obj: Any) -> None: ...  # noqa: D102

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
        for part in made.parts:
            self.save(part)
        self.write(made.opcode)
        # Before the steps: an object's state may refer to the object.
        self.memoize(made)
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
