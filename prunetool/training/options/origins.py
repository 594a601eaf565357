"""Where a value was given, for messages: on the command line, or under which key of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Options that hold values by name, and the key of a config file that they are under.
BY_NAME = {"model_arg": "model.init_args", "data_arg": "data.init_args", "trainer": "trainer"}


def flag_of(name: str) -> str:
    """The spelling of an option on the command line."""
    return "--" + name.rstrip("_").replace("_", "-")


@dataclass(frozen=True)
class Origins:
    """Who said what.

    Attributes:
        config: the file of ``--config``, or None.
        typed: the options of the command line; those by name as ``"model_arg.hidden"``.
    """

    config: str | None = None
    typed: frozenset[str] = frozenset()

    def of(self, option: str, name: str = "") -> str:
        """Name the place of ``name`` in a ``KEY=VALUE`` option."""
        if self.config is None or f"{option}.{name}" in self.typed:
            return f"{flag_of(option)} {name}"
        return f"--config {self.config}: {BY_NAME[option]}.{name}"

    def of_section(self, section: str) -> str:
        """Name the place of a section, which only a file can hold."""
        return f"--config {self.config}: {section}" if self.config else section


def origins_of(config: Any, given: Mapping[str, Any]) -> Origins:
    """Note what the command line gave beside a file."""
    typed = {name for option, value in given.items() for name in _names(option, value)}
    return Origins(None if config is None else str(config), frozenset(typed))


def _names(option: str, value: Any) -> Iterable[str]:
    if option in BY_NAME and isinstance(value, Mapping):
        return [f"{option}.{name}" for name in value]
    return [option]
