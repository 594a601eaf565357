"""Files are read without running what is in them, and written back as they were."""

from __future__ import annotations

import _codecs
import argparse
import codecs
import collections
import contextlib
import dataclasses
import datetime
import enum
import functools
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch

from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.writing import write_torch
from prunetool.errors import CheckpointError

# The classes below must be found by name when the written file is unpickled for real.
MODULE = "inert_examples"


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5

    class Unit(enum.Enum):
        """A nested class: from protocol 4 on, one name with a dot."""

        METRE = "m"


class Node:
    """Refers to itself, as user objects do."""

    def __init__(self) -> None:
        self.me = self
        self.children = [self]


class Items(list):
    pass


class Table(dict):
    pass


def function() -> None: ...


EXAMPLES = (Color, Point, Node, Items, Table, function)
for _it in (*EXAMPLES, Point.Unit):
    _it.__module__ = MODULE


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    module = type(sys)(MODULE)
    for it in EXAMPLES:
        setattr(module, it.__name__, it)
    monkeypatch.setitem(sys.modules, MODULE, module)


OPAQUE = {
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
    "path": PurePosixPath("/data/set"),
    "enum": Color.RED,
    "nested enum": Point.Unit.METRE,
    "numpy scalar": np.float64(3.5),
    "function": function,
    "builtin": os.getcwd,
    "class": Point,
    "dataclass": Point(3),
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "range": range(1, 9, 2),
    "slice": slice(1, None),
    "list subclass": Items([1, 2]),
    "dict subclass": Table(a=1),
}
PLAIN = {
    "bytes": b"ab\xff",
    "set": {1, 2},
    "complex": 1j,
    "ordered": collections.OrderedDict(b=1, a=2),
    "counter": collections.Counter("aab"),
    "size": torch.Size([2, 3]),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "frozenset": frozenset({1, 2}),
    "nested": [{"a": (1, 2.5, None, True, 10**40)}],
}


def rewritten(content, path, protocol=2):
    torch.save(content, path, pickle_protocol=protocol)
    archive = read_torch(path)
    written = io.BytesIO()
    write_torch(archive, written)
    written.seek(0)
    return archive, torch.load(written, weights_only=False)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", OPAQUE)
def test_objects_are_not_built_and_written_back_as_themselves(name, protocol, tmp_path):
    archive, again = rewritten({"it": OPAQUE[name]}, tmp_path / "a.ckpt", protocol)

    assert isinstance(archive.content["it"], Made | Name)
    assert archive.protocol == protocol
    assert type(again["it"]) is type(OPAQUE[name])
    assert again["it"] == OPAQUE[name]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_are_written_back(name, protocol, tmp_path):
    archive, again = rewritten({"it": PLAIN[name]}, tmp_path / "a.ckpt", protocol)

    assert again == {"it": PLAIN[name]}
    assert type(again["it"]) is type(PLAIN[name])
    # Protocol 2 makes a frozenset by a call, which is not made.
    assert archive.content == again or (name, protocol) == ("frozenset", 2)


def test_a_partial_keeps_its_function_and_arguments(tmp_path):
    _, again = rewritten(functools.partial(function, 1, key=2), tmp_path / "a.ckpt")

    assert (again.func, again.args, again.keywords) == (function, (1,), {"key": 2})


def test_a_numpy_array_keeps_its_values(tmp_path):
    _, again = rewritten({"a": np.arange(6.0).reshape(2, 3)}, tmp_path / "a.ckpt")

    np.testing.assert_array_equal(again["a"], np.arange(6.0).reshape(2, 3))


def test_an_object_that_refers_to_itself_does_so_again(tmp_path):
    _, again = rewritten({"first": (node := Node()), "second": node}, tmp_path / "a.ckpt")

    node = again["first"]
    assert node is again["second"] is node.me is node.children[0]


def test_deeply_nested_objects_are_written(tmp_path):
    chain = None
    for _ in range(180):
        chain = argparse.Namespace(next=chain)
    _, again = rewritten(chain, tmp_path / "a.ckpt")

    depth = 0
    while again is not None:
        again, depth = again.next, depth + 1
    assert depth == 180


def test_tensors_keep_sharing_order_and_module_versions(tmp_path):
    layer = torch.nn.BatchNorm1d(2)
    shared = torch.arange(6.0)
    state = layer.state_dict()
    content = {"state": state, "a": shared, "b": shared, "row": shared[2:4], "p": layer.weight}
    archive, again = rewritten(content, tmp_path / "a.ckpt")

    assert archive.content["state"]._metadata == again["state"]._metadata == state._metadata
    assert list(again["state"]) == list(state)
    assert again["a"].data_ptr() == again["b"].data_ptr() == again["row"].data_ptr() - 8
    assert torch.equal(again["row"], torch.tensor([2.0, 3.0]))
    assert isinstance(again["p"], torch.nn.Parameter)


def test_an_unknown_tensor_subclass_is_written_back_as_it_was(tmp_path):
    code = """
import sys, torch
class Tagged(torch.Tensor):
    pass
value = torch.ones(2).as_subclass(Tagged)
value.tag = "x"
torch.save({"it": value, "w": torch.zeros(1)}, sys.argv[1])
"""
    path = tmp_path / "a.ckpt"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)

    archive = read_torch(path)

    assert torch.equal(archive.content["it"].read(), torch.ones(2))
    other = tmp_path / "b.ckpt"
    with other.open("wb") as written:
        write_torch(archive, written)
    check = (
        code[: code.index("torch.save")].replace("value.tag", "again = None  #")
        + """
again = torch.load(sys.argv[1], weights_only=False)["it"]
assert type(again) is Tagged, type(again)
assert again.tag == "x" and again.tolist() == [1, 1]
"""
    )
    subprocess.run([sys.executable, "-c", check, str(other)], check=True)


class Payload:
    """What unpickles by calling ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


PAYLOADS = {
    "os.system": lambda canary: (os.system, f"touch {canary}"),
    "eval": lambda canary: (eval, f"__import__('pathlib').Path({str(canary)!r}).touch()"),
    "exec": lambda canary: (exec, f"import pathlib; pathlib.Path({str(canary)!r}).touch()"),
    "a method": lambda canary: (Path.touch, canary),
    "a nested call": lambda canary: (list, Payload(os.system, f"touch {canary}")),
}


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda it: {"it": it}, id="alone"),
        pytest.param(lambda it: {"it": [{"deep": (it,)}]}, id="nested"),
        pytest.param(lambda it: {it: 1}, id="key"),
    ],
)
def test_nothing_in_a_file_is_called(name, wrap, tmp_path):
    canary = tmp_path / "canary"
    payload = Payload(*PAYLOADS[name](canary))
    torch.save({"w": torch.ones(1), **wrap(payload)}, tmp_path / "a.ckpt")

    archive = read_torch(tmp_path / "a.ckpt")
    write_torch(archive, io.BytesIO())

    assert torch.equal(archive.content["w"].read(), torch.ones(1))
    assert not canary.exists()
    with contextlib.suppress(TypeError):  # not every result can be a key or a list
        torch.load(tmp_path / "a.ckpt", weights_only=False)
    assert canary.exists(), "the payload would not have run in any case"


def test_no_codec_is_looked_up_but_that_of_bytes(tmp_path):
    searched = []
    codecs.register(searcher := lambda name: searched.append(name))
    torch.save({"it": Payload(_codecs.encode, "x", "somebodys_codec")}, tmp_path / "a.ckpt")

    content = read_torch(tmp_path / "a.ckpt").content

    codecs.unregister(searcher)
    assert isinstance(content["it"], Made)
    assert searched == []


@pytest.fixture
def import_canary(monkeypatch, tmp_path):
    (tmp_path / "canary_module.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'imported')!r}).touch()\nclass Thing: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "canary_module", raising=False)
    return tmp_path / "imported"


def test_nothing_in_a_file_is_imported(import_canary, tmp_path):
    import canary_module

    torch.save({"it": canary_module.Thing()}, tmp_path / "a.ckpt")
    del sys.modules["canary_module"]
    import_canary.unlink()

    archive = read_torch(tmp_path / "a.ckpt")
    write_torch(archive, io.BytesIO())

    assert not import_canary.exists()
    assert "canary_module" not in sys.modules


@pytest.mark.parametrize(
    "opcodes",
    [
        pytest.param(b"ctorch._utils\n_rebuild_tensor\n}X\x01\x00\x00\x00aK\x01sb.", id="BUILD"),
        pytest.param(b"ctorch\nTensor\n(K\x01e.", id="APPENDS"),
        pytest.param(b"X\x01\x00\x00\x00a)R.", id="call of a string"),
    ],
)
def test_globals_of_this_process_are_not_changed(opcodes, tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({}, path)
    forge(path, b"\x80\x02" + opcodes)

    with pytest.raises(CheckpointError, match=r"a.ckpt: damaged: .* UnpicklingError"):
        read_torch(path)
    assert not hasattr(torch._utils._rebuild_tensor, "a")


def forge(path, data):
    """Put another pickle into a torch archive."""
    writer = torch._C.PyTorchFileWriter(str(path))
    writer.write_record("data.pkl", data, len(data))
    writer.write_end_of_file()


def test_stand_ins_are_short_in_messages():
    name = Name("os", "system")

    assert repr(Made(pickle.REDUCE, (name, ("x",)))) == (
        "<object of <os.system, not imported>, not built>"
    )
