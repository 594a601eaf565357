"""``KEY=VALUE`` options, whose values are YAML scalars or collections."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from prunetool.errors import OptionError

_MERGE = "tag:yaml.org,2002:merge"
_SCIENTIFIC = re.compile(r"[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with the floats of YAML 1.2: ``1e-3`` is a number, not a string."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is there twice, of which YAML would silently keep the last."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    problem = f"the key '{key.value}' is there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("-+0123456789"))


def load_yaml(text: str) -> Any:
    """Read YAML of plain values.

    Raises:
        yaml.YAMLError: if ``text`` is not YAML, or names a Python object.
    """
    return yaml.load(text, Loader=_Loader)  # a SafeLoader


def parse_pairs(pairs: Iterable[str], *, option: str) -> dict[str, Any]:
    """Read the ``KEY=VALUE`` arguments of a repeatable option; the last value of a key counts.

    Args:
        pairs: the arguments as they were typed.
        option: its name, for messages ("--model-arg").

    Raises:
        OptionError: for an argument without ``=``, without a key, or whose value is not YAML.
    """
    return dict(_parse_pair(pair, option) for pair in pairs)


def _parse_pair(pair: str, option: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals or not key.isidentifier():
        example = "gradient_clip_val=1" if option == "--trainer" else "hidden=64"
        raise OptionError(f"{option} {pair}: expected KEY=VALUE, as in {option} {example}")
    try:
        return key, load_yaml(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "not YAML"
        raise OptionError(f"{option} {pair}: the value is not YAML ({problem})") from error
