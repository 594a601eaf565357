"""Files of every kind, by their own libraries where these are here; the names say nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save

from prunetool.checkpoints.containers import Container, container_of
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError

ONE = {"w": torch.ones(1)}


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def legacy(protocol):
    return written(
        lambda it: torch.save(
            ONE, it, _use_new_zipfile_serialization=False, pickle_protocol=protocol
        )
    )


def zipped(name):
    def write(buffer):
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, b"x")

    return written(write)


def tar(buffer):
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))


READ = {  # torch itself cannot read protocol 0
    "zip": (written(lambda it: torch.save(ONE, it)), Container.TORCH_ZIP),
    **{
        f"legacy {it}": (legacy(it), Container.LEGACY_TORCH) for it in range(1, 6)
    },  # torch cannot read 0
    "safetensors": (save(ONE), Container.SAFETENSORS),
}


@pytest.mark.parametrize("name", READ)
def test_what_can_be_read(name, tmp_path):
    content, container = READ[name]
    (tmp_path / "a.txt").write_bytes(content)

    assert container_of(tmp_path / "a.txt") is container
    assert open_checkpoint(tmp_path / "a.txt").tensors["w"].read().tolist() == [1.0]


OTHERS = {
    "empty": (b"", "an empty file; download or copy it again"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "an HTML page; download"),
    "xml": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an HTML page; download"),
    "text": ("# Das hier sind Notizen für später\n".encode() * 99, "a text file; download or copy"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "run 'git lfs pull'"),
    "pickle": (pickle.dumps({"w": 1}), "a pickle that torch.save did not write; nothing in it was"),
    **{f"pickle {it}": (pickle.dumps(ONE, it), "a pickle that torch.save did") for it in range(5)},
    "tar": (written(tar), "a tar archive; unpack it; if torch 0.1 wrote it"),
    "gzip": (gzip.compress(b"x"), "a compressed file or archive; unpack it first"),
    "bzip2": (bz2.compress(b"x"), "a compressed file"),
    "xz": (lzma.compress(b"x"), "a compressed file"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(99), "a compressed file"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "a compressed file"),
    "npy": (written(lambda it: np.save(it, np.ones(3))), "a numpy file; load it in Python and"),
    "npz": (written(lambda it: np.savez(it, w=np.ones(3))), "a numpy file; load it in Python"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file, as Keras writes; load it"),
    "keras": (zipped("metadata.json"), "a Keras archive; load it"),
    "document": (zipped("[Content_Types].xml"), "an office document"),
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(99), "an ONNX model; give the chec"),
    "gguf": (b"GGUF\x03\0\0\0" + bytes(99), "a GGUF file, as llama.cpp uses; give the check"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model"),
    "random": (bytes(range(200, 256)) * 9, "a file of an unknown format; check the path"),
    "json": (b'{"architectures": ["BertModel"]}', "a JSON file without weight_map"),
    "no json": (b"{nothing}", "the index of a sharded checkpoint, found no JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_read_is_called_by_its_name(name, tmp_path):
    content, message = OTHERS[name]
    path = tmp_path / "model.ckpt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 12, 30])
@pytest.mark.parametrize("name", [*READ, *OTHERS])
def test_the_beginning_of_a_file_has_a_kind_too(name, size, tmp_path):
    (tmp_path / "a").write_bytes((READ | OTHERS)[name][0][:size])

    assert isinstance(container_of(tmp_path / "a"), Container)
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "a")
