from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import saved
import torch
from commandline import invoke


@pytest.fixture
def prunetool(monkeypatch, capsys):
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


@pytest.fixture
def path(tmp_path):
    return saved.save_masked(tmp_path / "a.ckpt")


def test_a_table_on_stdout(prunetool, path):
    result = prunetool("report", path)

    assert (result.code, result.err) == (0, "")
    assert "fc.weight 2x3 6 4 66.67 %" in " ".join(result.out.split())
    assert "blocks[0].weight" in result.out
    assert "\x1b" not in result.out


def test_a_name_that_stdout_cannot_encode(tmp_path):
    path = saved.save_lightning(tmp_path / "a.ckpt", {"层.weight": torch.eye(2)})
    command = [sys.executable, "-m", "prunetool", "report", str(path)]

    done = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )

    assert done.stdout.splitlines()[-4].split()[:2] == [b"\\u5c42.weight", b"2x2"]


def test_json_on_stdout(prunetool, path):
    result = prunetool("report", path, "--format", "json", "--sort", "name")

    content = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert [it["name"] for it in content["layers"]] == ["blocks[0].weight", "fc.bias", "fc.weight"]
    prunable = content["total"]["prunable"]
    assert (prunable["parameters"], prunable["zeros"], prunable["sparsity"]) == (6, 4, 4 / 6)


def test_a_run_folder(prunetool, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    path = saved.save_masked(tmp_path / "run" / "checkpoints" / "last.ckpt")

    result = prunetool("report", tmp_path / "run", "--format", "json")

    assert json.loads(result.out)["source"]["path"] == str(path)


def test_a_file_instead_of_stdout(prunetool, path, tmp_path):
    file = tmp_path / "report.json"

    result = prunetool("report", path, "--format", "json", "--output", file)

    assert (result.code, result.out, result.err) == (0, "", f"wrote {file}\n")
    assert json.loads(file.read_text())["schema"] == 1
    assert prunetool("report", path, "--output", file, "--quiet").err == ""
    assert file.read_text().startswith("layer ")


def test_choosing_layers(prunetool, path):
    options = ("--include", "fc.*", "--include", "blocks*", "--exclude", "*.bias")

    result = prunetool("report", path, "--format", "json", *options)

    names = [it["name"] for it in json.loads(result.out)["layers"]]
    assert names == ["fc.weight", "blocks[0].weight"]


def test_two_checkpoints(prunetool, path, tmp_path):
    other = saved.save_lightning(tmp_path / "b.ckpt", {"fc.weight": torch.ones(2, 3)})

    table = prunetool("report", path, other)
    content = json.loads(prunetool("report", path, other, "--format", "json").out)

    assert table.code == 0
    assert "fc.weight 6 66.67 % 0.00 % -66.67 %" in " ".join(table.out.split())
    assert content["layers"][0]["difference"] == pytest.approx(-4 / 6)
    assert len(content["layers"]) == 3


def test_requirements_that_are_met(prunetool, path):
    options = ("--require", "sparsity>=66%", "--require", "layer:sparsity<=0.99")

    assert prunetool("report", path, *options).code == 0


def test_every_requirement_that_is_not_met_is_printed(prunetool, path):
    options = ("--require", "sparsity>=0.9", "--require", "sparsity>0", "--require", "pattern==2:4")

    result = prunetool("report", path, "--quiet", *options)

    assert result.code == 1
    assert result.err.splitlines() == [
        "requirement not met: sparsity>=0.9: the pruned set has sparsity 0.666667 (4 of 6)",
        "requirement not met: pattern==2:4: fc.weight has pattern elements",
    ]
    assert "whole model" in result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "xml"], "error: Invalid value for '--format': 'xml' is not one of"),
        (["--depth", "0"], "--depth 0: expected at least 1"),
        (["other.ckpt", "--depth", "1"], "--depth: goes with one checkpoint"),
        (["--include", "fc.wieght"], "--include fc.wieght: matches no tensor; did you mean 'fc.w"),
        (["--require", "sparsiti>=0.9"], "did you mean 'sparsity' or"),
        (
            ["--require", "enc.*:sparsity>=0.9"],
            "--require enc.*:sparsity>=0.9: enc.*: matches no tensor",
        ),
        (["--output", "none/r.json"], "none/r.json: the folder none does not exist"),
        (["other.ckpt", "--require", "regrown=0"], "expected one of >= <= == != > < such as"),
        (["other.ckpt"], "other.ckpt: no such file or folder"),
    ],
)
def test_bad_usage(options, message, prunetool, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = prunetool("report", path, *options)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_the_input_is_not_replaced_by_its_report(prunetool, path):
    before = path.read_bytes()

    result = prunetool("report", path, "--output", path)

    assert (result.code, "would replace the input" in result.err) == (2, True)
    assert path.read_bytes() == before


def test_weights_that_cannot_be_read_are_named(prunetool, tmp_path):
    torch.save({"w": torch.ones(2, 2), "m": torch.ones(2, device="meta")}, tmp_path / "a.pt")

    result = prunetool("report", tmp_path / "a.pt")

    assert result.code == 0
    assert f"{tmp_path / 'a.pt'}: left out 1 that are no plain tensors: m; --trust" in result.err


def test_csv_and_markdown(prunetool, path, tmp_path):
    csv = prunetool("report", path, "--format", "csv")
    markdown = prunetool("report", path, "--format", "markdown")

    assert csv.out.splitlines()[1].startswith("fc.weight,2x3,float32,6,4,")
    assert csv.out.endswith("\n")
    assert "| `blocks[0].weight` | 2x2 | 4 | 0 |" in markdown.out
    for name, result in (("csv", csv), ("markdown", markdown)):
        file = tmp_path / name
        assert prunetool("report", path, "--format", name, "--output", file).out == ""
        assert file.read_bytes().splitlines() == result.out.encode().splitlines()


@pytest.mark.parametrize("form", ["csv", "markdown", "json", "table", "github"])
def test_every_format_of_a_comparison_and_of_modules(form, prunetool, path):
    compared = prunetool("report", path, path, "--format", form)
    modules = prunetool("report", path, "--format", form, "--depth", "1")

    assert (compared.code, modules.code) == (0, 0)
    assert "difference" in compared.out
    assert "blocks[0]" in modules.out


def test_github_gets_annotations_and_a_summary(prunetool, path, tmp_path, monkeypatch):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    options = [it for i in range(12) for it in ("--require", f"sparsity>=0.9{i}")]

    result = prunetool("report", path, "--format", "github", *options)

    assert result.code == 1
    lines = result.out.splitlines()
    errors = [line for line in lines if line.startswith("::error title=prunetool report::")]
    assert lines[-11:] == errors
    assert "sparsity>=0.90: the pruned set has sparsity 0.666667" in errors[0]
    assert errors[-1].endswith("::2 more requirements are not met")
    assert lines[0].startswith("::stop-commands::")
    assert any(line.startswith("whole model") for line in lines)
    written = summary.read_text()
    assert written.startswith("before\n### prunetool report: `a.ckpt`\n")
    assert written.count("\n- :x: `requirement not met: sparsity>=0.9") == 12


def test_a_summary_is_not_appended_to_what_is_reported_on(prunetool, path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))

    result = prunetool("report", path, "--format", "github")

    assert result.code == 2
    assert result.err.startswith(f"error: GITHUB_STEP_SUMMARY: {path}: is what is reported on")
    assert path.read_bytes() == before


def test_a_shape_and_data_exclude_each_other(prunetool, path):
    result = prunetool("report", path, "--input-shape", "3", "--data", "pkg:data")

    assert result.code == 2
    assert "--input-shape, --data: each says what goes through the model" in result.err


def test_a_file_called_minus_is_stdout(prunetool, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    plain = prunetool("report", path, "--format", "json")
    minus = prunetool("report", path, "--format", "json", "-o", "-")

    assert (minus.code, minus.out) == (0, plain.out)
    assert not (tmp_path / "-").exists()


def test_markdown_names_the_run_of_a_checkpoint(prunetool, path, tmp_path):
    inside = tmp_path / "digits" / "checkpoints" / "last.ckpt"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(path.read_bytes())

    result = prunetool("report", inside, "--format", "markdown", "--require", "sparsity>=0.9")

    assert result.code == 1
    assert result.out.startswith(
        "### prunetool report: `digits/last.ckpt`\n\n- :x: `requirement not met: sparsity>=0.9: "
    )


def test_a_summary_that_cannot_be_written(prunetool, path, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "s.md"))

    result = prunetool("report", path, "--format", "github")

    assert result.code == 2
    assert "error: GITHUB_STEP_SUMMARY: " in result.err
