"""Files that would run something when they are unpickled."""

from __future__ import annotations

import builtins
import io
import operator
import os
import pickle
import runpy
import subprocess
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hostile_tools import Call, Maker, honest, pickled, saved, text, torch_zip


def touch(canary: Path) -> Call:
    return Call(os.system, f"touch '{canary}'")


def _python(canary: Path) -> str:
    return f"open({str(canary)!r}, 'w').close()"


def _script(canary: Path) -> str:
    script = canary.parent / "script.py"
    script.write_text(_python(canary))
    return str(script)


def _module(canary: Path) -> Call:
    """A module in the working folder, which runs when it is imported."""
    (canary.parent / "canary_module.py").write_text(f"{_python(canary)}\nclass Thing: pass\n")
    return Call(builtins.__import__, "canary_module")


PAYLOADS: dict[str, Callable[[Path], Any]] = {
    "os.system": touch,
    "eval": lambda it: Call(eval, f"[{_python(it)}]"),
    "exec": lambda it: Call(exec, _python(it)),
    "runpy": lambda it: Call(runpy.run_path, _script(it)),
    "subprocess": lambda it: Call(subprocess.check_call, ["touch", str(it)]),
    "import": _module,
    "a method": lambda it: Call(Path.touch, it),
    "a method by name": lambda it: Call(operator.methodcaller("touch"), it),
    "a call in a call": lambda it: Call(list, Call(os.popen, f"touch '{it}'")),
}


def _in_value(payload: str, folder: Path, canary: Path) -> Path:
    return saved(folder, {**honest(), "x": PAYLOADS[payload](canary)})


def _in_hyper_parameters(folder: Path, canary: Path) -> Path:
    mark = {"pytorch-lightning_version": "2.6.6", "epoch": 1}
    values = {"callback": touch(canary), "rate": 0.1}
    return saved(folder, {**mark, "state_dict": honest(), "hyper_parameters": values})


def _in_key(folder: Path, canary: Path) -> Path:
    return saved(folder, {"state_dict": {**honest(), touch(canary): 1}})


def _in_defaultdict(folder: Path, canary: Path) -> Path:
    found = defaultdict(list, a=[{"deep": (touch(canary),)}])
    return saved(folder, {"state_dict": honest(), "hyper_parameters": found})


def _in_module_versions(folder: Path, canary: Path) -> Path:
    weights = OrderedDict(honest())
    weights._metadata = OrderedDict({"": {"version": touch(canary)}})
    return saved(folder, weights)


def _in_legacy(folder: Path, canary: Path) -> Path:
    content = {**honest(), "x": touch(canary)}
    return saved(folder, content, _use_new_zipfile_serialization=False)


def _before_legacy(folder: Path, canary: Path) -> Path:
    """In place of the magic number that such a file begins with."""
    (folder / "model.ckpt").write_bytes(pickle.dumps(touch(canary), 2) + b"\x80\x02K\x01.")
    return folder / "model.ckpt"


def _bare(folder: Path, canary: Path) -> Path:
    (folder / "model.ckpt").write_bytes(pickle.dumps({"w": [1.0], "x": touch(canary)}))
    return folder / "model.ckpt"


def _old_opcodes(folder: Path, canary: Path) -> Path:
    """INST and OBJ, of protocol 0."""
    instance = b"(" + text(f"touch '{canary}'") + b"ios\nsystem\n"
    built = b"(cos\nsystem\n" + text(f"touch '{canary}'") + b"o"
    return torch_zip(folder, pickled(b"(" + instance + built + b"t"))


def _extension(folder: Path, canary: Path) -> Path:
    """EXT1: a name from a registry of the process."""
    return torch_zip(folder, pickled(b"\x82\x01)R"))


def _new_with_keywords(folder: Path, canary: Path) -> Path:
    made = b"csubprocess\nPopen\n)}" + text("args") + b"](" + text("touch")
    return torch_zip(folder, pickled(made + text(str(canary)) + b"es\x92", protocol=4))


def _stacked_name(folder: Path, canary: Path) -> Path:
    """STACK_GLOBAL, with a dotted name that goes through a trusted module."""
    name = text("torch._utils") + text("os.system") + b"\x93"
    return torch_zip(folder, pickled(name + text(f"touch '{canary}'") + b"\x85R", protocol=4))


def _changed_class(folder: Path, canary: Path) -> Path:
    """BUILD on a class of torch: every tensor after it would call something else."""
    state = b"}" + text("__call__") + b"cos\nsystem\ns"
    return torch_zip(folder, pickled(b"ctorch._utils\n_rebuild_tensor_v2\n" + state + b"b"))


def _persistent(pid: Callable[[Path], Any], folder: Path, canary: Path) -> Path:
    """A pickle whose persistent id is not one of torch's."""
    marker = object.__new__(type("Marker", (), {}))

    class Pickler(pickle.Pickler):
        def persistent_id(self, it: Any) -> Any:
            return pid(canary) if it is marker else None

    inner = io.BytesIO()
    pickler = Pickler(inner, 2)
    pickler.dump(marker)
    return torch_zip(folder, pickled(inner.getvalue()[2:-1]))


class _StorageType:
    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return touch(self._canary).call


_PIDS: dict[str, Callable[[Path], Any]] = {
    "text": lambda it: "storage",
    "call": touch,
    "hostile type": lambda it: ("storage", _StorageType(it), "0", "cpu", 4),
    "builtin type": lambda it: ("storage", eval, "0", "cpu", 4),
    "key outside": lambda it: ("storage", torch.FloatStorage, "../../../../etc/passwd", "cpu", 4),
    "hostile key": lambda it: ("storage", torch.FloatStorage, touch(it), "cpu", 4),
    "hostile place": lambda it: ("storage", torch.FloatStorage, "0", touch(it), 4),
    "hostile size": lambda it: ("storage", torch.FloatStorage, "0", "cpu", touch(it)),
    "module": lambda it: ("module", touch(it), "x.py", "import os"),
}

PICKLES: dict[str, Maker] = {
    **{f"value: {name}": partial(_in_value, name) for name in PAYLOADS},
    "hyper-parameters": _in_hyper_parameters,
    "key of state_dict": _in_key,
    "in a defaultdict": _in_defaultdict,
    "versions of modules": _in_module_versions,
    "legacy": _in_legacy,
    "before legacy": _before_legacy,
    "bare pickle": _bare,
    "old opcodes": _old_opcodes,
    "extension registry": _extension,
    "keywords": _new_with_keywords,
    "dotted name": _stacked_name,
    "changed class": _changed_class,
    **{f"persistent id: {name}": partial(_persistent, pid) for name, pid in _PIDS.items()},
}
# Unpickling these for real makes the canary: the tests see that the payloads are live.
LIVE = (
    *(f"value: {name}" for name in PAYLOADS),
    "hyper-parameters", "key of state_dict", "in a defaultdict", "versions of modules", "legacy",
    "before legacy", "bare pickle", "old opcodes", "persistent id: call",
    "persistent id: hostile type", "persistent id: hostile place",
)  # fmt: skip
