"""Where a value was given, for messages: on the command line, or under which key of which file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prunetool.errors import OptionError, TargetError
from prunetool.training.options.sections import PRUNING, TRAINER

# Options that hold values by name, and the key of a config file that they are under.
BY_NAME = {"model_arg": "model.init_args", "data_arg": "data.init_args", "trainer": "trainer"}
# The options that have a place outside the section ``prunetool``, and their keys.
_KEYS = {
    **{key: f"pruning.{key}" for key in PRUNING},
    **{key: f"trainer.{key}" for key in TRAINER},
    **{key: key for key in ("optimizer", "lr_scheduler", "ckpt_path")},
    **BY_NAME,
    "seed": "seed_everything",
    "target": "model.class_path",
    "model": "model.class_path",
    "data": "data.class_path",
}
ELSEWHERE = frozenset(_KEYS)
_BEGINS_WITH_A_FLAG = re.compile(r"--([a-z][a-z-]*)(?=[ :])")


def flag_of(name: str) -> str:
    """The spelling of an option on the command line."""
    return "--" + name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class Origins:
    """Who said what.

    Attributes:
        files: those of ``--config``, in order.
        found: which of them gave an option last; options by name as ``"model_arg.hidden"``.
        typed: the options of the command line, likewise.
    """

    files: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()

    def of(self, option: str, name: str = "") -> str:
        """Name the place of ``name`` in a ``KEY=VALUE`` option."""
        file = self._file(f"{option}.{name}")
        return f"{flag_of(option)} {name}" if file is None else f"{file}: {BY_NAME[option]}.{name}"

    def of_section(self, section: str) -> str:
        """Name the place of a section, which only a file can hold."""
        return f"{self._file(section)}: {section}" if self.files else section

    def of_key(self, key: str) -> str | None:
        """Name the place of an option's value in a file; None if it is not of one."""
        if key in self.typed or key not in self.found:
            return None
        return f"--config {self.found[key]}: {_KEYS.get(key, f'prunetool.{key}')}"

    @contextmanager
    def naming(self, key: str = "") -> Iterator[None]:
        """Name the file in complaints about what it gave.

        Args:
            key: the option that complaints are about which name none.

        Raises:
            OptionError, TargetError: those from within, reworded.
        """
        try:
            yield
        except (OptionError, TargetError) as error:
            message = self._reworded(str(error), key)
            raise type(error)(message) from error

    def _reworded(self, message: str, key: str) -> str:
        if flag := _BEGINS_WITH_A_FLAG.match(message):
            place = self.of_key(flag[1].replace("-", "_"))
            return message if place is None else place + message[flag.end() :]
        place = self.of_key(key)
        return message if place is None else f"{place}: {message}"

    def _file(self, name: str) -> str | None:
        if not self.files or name in self.typed:
            return None
        return f"--config {self.found.get(name, self.files[-1])}"


def origins_of(files: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> Origins:
    """Note what each file and the command line gave.

    Args:
        files: the options of each, by its name.
        given: those of the command line.
    """
    found = {name: file for file, values in files.items() for name in _names(values)}
    return Origins(tuple(files), found, frozenset(_names(given)))


def _names(values: Mapping[str, Any]) -> Iterable[str]:
    for option, value in values.items():
        if option in BY_NAME and isinstance(value, Mapping):
            yield from (f"{option}.{name}" for name in value)
        else:
            yield option
