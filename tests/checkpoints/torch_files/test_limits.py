"""What a file may not ask for; real checkpoints are far below."""

from __future__ import annotations

import io
import pickle
import time

import pytest

from prunetool.checkpoints.torch_files.limits import DEPTH, RefusedError, check_key, check_nesting
from prunetool.checkpoints.torch_files.standins import Made, Name
from prunetool.checkpoints.torch_files.unpickler import Unpickler


def nested(depth, kind=list):
    value = kind()
    for _ in range(depth - 1):
        value = {"a": value} if kind is dict else kind([value])
    return value


def test_containers_in_each_other_up_to_a_depth():
    for kind in (list, dict, tuple):
        check_nesting(nested(DEPTH, kind))
        with pytest.raises(RefusedError, match=f"deeper than {DEPTH}"):
            check_nesting(nested(DEPTH + 1, kind))


def test_what_is_shared_is_as_deep_as_from_its_deepest_place():
    shared = nested(DEPTH - 2)

    check_nesting([shared, [shared]])
    with pytest.raises(RefusedError, match="deeper"):
        check_nesting([shared, [[shared]]])
    with pytest.raises(RefusedError, match="deeper"):
        check_nesting([[[shared]], shared])


def test_a_container_in_itself():
    circle: list = []
    circle.append({"a": (circle,)})

    with pytest.raises(RefusedError, match="contains itself"):
        check_nesting({"b": circle})


def test_an_object_may_refer_to_itself():
    made = Made(pickle.NEWOBJ, (Name("a", "B"), ()))
    made.steps.append((pickle.BUILD, [{"me": made, "others": [made]}]))

    check_nesting({"a": made})


def test_many_ways_to_the_same_container_are_gone_once():
    laughs: list = []
    for _ in range(500):
        laughs = [laughs] * 10
    start = time.process_time()

    check_nesting(laughs)

    assert time.process_time() - start < 5


@pytest.mark.parametrize("key", ["a", 1, (1, ("a", None)), frozenset({1, 2}), 2.5, b"x", True])
def test_usual_keys(key):
    check_key(key)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (nested(21, tuple), "deeper than 20"),
        (2**60, "more than 60 bits"),
        (("a", -(2**61) + 1), "more than 60 bits"),
    ],
)
def test_keys_that_are_slow_to_hash(key, message):
    with pytest.raises(RefusedError, match=message):
        check_key(key)


DEEP_TUPLE = b")" + b"\x85" * 100_000


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        pytest.param(b"}" + DEEP_TUPLE + b"K\x01s.", "deeper than 20", id="SETITEM"),
        pytest.param(b"}(" + DEEP_TUPLE + b"K\x01u.", "deeper than 20", id="SETITEMS"),
        pytest.param(b"(" + DEEP_TUPLE + b"K\x01d.", "deeper than 20", id="DICT"),
        pytest.param(b"\x8f(" + DEEP_TUPLE + b"\x90.", "deeper than 20", id="ADDITEMS"),
        pytest.param(b"(" + DEEP_TUPLE + b"\x91.", "deeper than 20", id="FROZENSET"),
        pytest.param(
            b"ccollections\nOrderedDict\n](" + DEEP_TUPLE + b"K\x01\x86e\x85R.",
            "deeper than 20",
            id="OrderedDict",
        ),
        pytest.param(
            b"c__builtin__\nset\n](" + DEEP_TUPLE + b"e\x85R.", "deeper than 20", id="set"
        ),
        pytest.param(b"]" * 100_000 + b"a" * 99_999 + b".", "deeper than", id="many lists"),
        pytest.param(b"]q\x00h\x00a.", "contains itself", id="a list in itself"),
        pytest.param(b"}q\x00X\x01\x00\x00\x00ah\x00s.", "contains itself", id="a dict in itself"),
        pytest.param(b"\x8f" * 4_000_000, "more than 2000000 steps", id="steps"),
        pytest.param(b"(" * 4_000_000, "more than 2000000 steps", id="marks"),
    ],
)
def test_a_pickle_that_asks_for_too_much(opcodes, message):
    with pytest.raises(RefusedError, match=message):
        Unpickler(io.BytesIO(b"\x80\x02" + opcodes)).load()


@pytest.mark.parametrize(
    "opcodes",
    [
        pytest.param(b"\x96" + (2**40).to_bytes(8, "little") + b"ab.", id="BYTEARRAY8"),
        pytest.param(b"B" + (2**31).to_bytes(4, "little") + b"ab.", id="BINBYTES"),
        pytest.param(b"\x8e" + (2**40).to_bytes(8, "little") + b"ab.", id="BINBYTES8"),
        pytest.param(b"I" + b"9" * 100_000 + b"\n.", id="INT"),
        pytest.param(b"\x82\x01.", id="EXT1"),
        pytest.param(b"X\x01\x00\x00\x00aQ.", id="a persistent id where there is none"),
        pytest.param(b"h\x07.", id="a memo that is not there"),
        pytest.param(b"0.", id="POP of nothing"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_pickle_that_is_wrong_ends_with_an_error(opcodes):
    with pytest.raises((pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError)):
        Unpickler(io.BytesIO(b"\x80\x04" + opcodes)).load()
