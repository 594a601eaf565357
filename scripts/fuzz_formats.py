"""Damage that keeps a file's outer form: inside pickles, archives, headers and JSON."""

from __future__ import annotations

import contextlib
import io
import json
import pickletools
import random
import struct
import warnings
import zipfile
from typing import Any

from fuzz_bytes import BYTES, Change

NUMBERS = (0, 1, 2, 3, 7, 255, 2**15, 2**31 - 1, 2**31, 2**40, 2**62, 2**63, 10**30, -1, -8)


def change_pickle(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Change some opcodes of a pickle, or of the first of several; what cannot be parsed stays."""
    places = _opcodes(data)
    if len(places) < 4:
        return BYTES["bits"](data, other, dice)
    for _ in range(dice.choice((1, 1, 2, 5))):
        data = _change_opcode(data, places, dice)
        places = _opcodes(data)
        if len(places) < 4:
            break
    return data


def _opcodes(data: bytes) -> list[tuple[str, int, int]]:
    """Name, start and end of each opcode; up to where it cannot be parsed."""
    starts: list[tuple[str, int]] = []
    with contextlib.suppress(ValueError, IndexError, struct.error, UnicodeError):
        starts.extend((it.name, at or 0) for it, _, at in pickletools.genops(data))
    ends = [at for _, at in starts[1:]]
    return [(name, at, end) for (name, at), end in zip(starts, ends, strict=False)]


def _change_opcode(data: bytes, places: list[tuple[str, int, int]], dice: random.Random) -> bytes:
    numbers = [it for it in places if it[0] in ("BININT", "BININT1", "BININT2", "LONG1")]
    _, start, stop = dice.choice(numbers if numbers and dice.random() < 0.5 else places)
    _, start2, stop2 = dice.choice(places)
    match dice.randrange(6):
        case 0 | 1:
            return data[:start] + _number(dice) + data[stop:]
        case 2:
            return data[:start] + data[start2:stop2] + data[stop:]
        case 3:
            return data[:start] + data[stop:]
        case 4:
            return data[:stop] + data[start:stop] + data[stop:]
        case _:
            opcode = dice.choice(pickletools.opcodes).code.encode("latin1")
            return data[:start] + opcode + data[start + 1 :]


def _number(dice: random.Random) -> bytes:
    value = dice.choice(NUMBERS)
    encoded = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + encoded


def change_archive(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Change records of a zip archive, and write it again: sums and places are right."""
    records, others = _records(data), _records(other)
    if not records:
        return BYTES["bits"](data, other, dice)
    at = dice.randrange(len(records))
    name, content = records[at]
    packed = False
    match dice.randrange(9):
        case 0:
            del records[at]
        case 1:
            records.append((name, dice.choice(records)[1]))
        case 2:
            records[at] = (dice.choice(records)[0] + dice.choice(("", "x", "/../y")), content)
        case 3:
            swapped = dice.randrange(len(records))
            records[at], records[swapped] = (
                (name, records[swapped][1]),
                (records[swapped][0], content),
            )
        case 4 if others:
            records[at] = (name, _of_the_same_kind(name, others, dice))
        case 5 if content:
            records[at] = (name, dice.choice(list(BYTES.values()))(content, content, dice))
        case 6:
            packed = True
        case _:
            pickles = [n for n, (it, _) in enumerate(records) if it.endswith(".pkl")]
            for number in pickles:
                name, content = records[number]
                records[number] = (name, change_pickle(content, content, dice))
    return _archive(records, packed=packed)


def _records(data: bytes) -> list[tuple[str, bytes]]:
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(it, archive.read(it)) for it in archive.namelist()]
    return []


def _of_the_same_kind(name: str, records: list[tuple[str, bytes]], dice: random.Random) -> bytes:
    same = [data for it, data in records if it.partition("/")[2] == name.partition("/")[2]]
    return dice.choice(same or [data for _, data in records])


def _archive(records: list[tuple[str, bytes]], *, packed: bool) -> bytes:
    written = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w", method) as archive:
        warnings.simplefilter("ignore")  # two records of one name
        for name, content in records:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return written.getvalue()


def change_header(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Change the header of a safetensors file; its length is right."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        return BYTES["bits"](data, other, dice)
    written = json.dumps(change_value(header, dice)).encode()
    return struct.pack("<Q", len(written)) + written + data[8 + length :]


def change_json(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Change a value of a JSON file."""
    try:
        content = json.loads(data)
    except ValueError:
        return BYTES["bits"](data, other, dice)
    return json.dumps(change_value(content, dice)).encode()


def change_value(value: Any, dice: random.Random) -> Any:
    """Change something somewhere in ``value``: a leaf, a name, an order, what is there at all."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        value = _changed(value, dice)
    return value


def _changed(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.9:
        return _changed_dict(dict(value), dice)
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], _changed(value[at], dice), *value[at + 1 :]]
    odd = (None, True, 1.5, "", "x" * 300, [], {}, [[1]], "../x", "F32", "BOOL", "F8_E4M3", "NaN")
    return dice.choice((*NUMBERS, *odd))


def _changed_dict(value: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    name, second = dice.choice(list(value)), dice.choice(list(value))
    match dice.randrange(6):
        case 0:
            value.pop(name)
        case 1:
            value[name + dice.choice(("_orig", "_mask", "x", "\n", "\0"))] = value.pop(name)
        case 2:
            value[name], value[second] = value[second], value[name]
        case _:
            value[name] = _changed(value[name], dice)
    return value


FORMATS: dict[str, Change] = {
    "pickle": change_pickle,
    "records of an archive": change_archive,
    "header of safetensors": change_header,
    "JSON": change_json,
}
