"""What stands for the objects of a file that must not be built: names, and what was made of them.

A checkpoint from a stranger names classes and functions. Building its objects would import and
call them, which is how a pickle attacks. These stand-ins record what the file says, opcode by
opcode, so that the same file can be written again without anything having been imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a file refers to, as its pickle spells it.

    Attributes:
        module: dotted module; pickles of protocol 2 and below use Python 2's names
            (``__builtin__``), which are kept so that they can be written back.
        qualname: the name inside the module.
    """

    module: str
    qualname: str

    def __repr__(self) -> str:
        return f"<{self.module}.{self.qualname}, not imported>"


@dataclass(eq=False, slots=True)
class Made:
    """An object that a file asks to be made by calling something; nothing was called.

    Attributes:
        opcode: the pickle opcode that would make it: REDUCE, NEWOBJ or NEWOBJ_EX.
        parts: what that opcode takes: (callable, args) or (class, args, kwargs).
        steps: what the file then does to it, in order: an opcode (BUILD, APPEND, APPENDS,
            SETITEM, SETITEMS, ADDITEMS) and the values it takes.
    """

    opcode: bytes
    parts: tuple[Any, ...]
    steps: list[tuple[bytes, list[Any]]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<object of {self.parts[0]!r}, not built>"


def is_inert(value: object) -> bool:
    """Say whether ``value`` stands for something that was not built."""
    return isinstance(value, Name | Made)
