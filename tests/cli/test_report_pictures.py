from __future__ import annotations

import io
import json
import sys

import pytest
from commandline import invoke
from run_on_disk import make_run


@pytest.fixture
def prunetool(monkeypatch, capsys):
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_run(tmp_path / "run").relative_to(tmp_path)


def test_a_page_in_a_file_is_the_one_on_stdout(prunetool, run, tmp_path):
    result = prunetool("report", run, "--format", "html", "-o", "run.html")

    assert (result.code, result.out, result.err) == (0, "", "wrote run.html\n")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>\n<html ")
    assert page.endswith("</html>\n")
    assert prunetool("report", run, "--format", "html").out.strip() == page.strip()
    assert len(page) < 100_000


def test_plots_below_the_table(prunetool, run):
    table = prunetool("report", run).out
    result = prunetool("report", run, "--plot")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(table)
    assert "━ achieved  ○ planned" in result.out


@pytest.mark.parametrize("options", [["--plot"], ["--format", "html"]])
def test_what_is_missing_of_a_run_is_said(prunetool, run, tmp_path, options):
    (tmp_path / "run/events.csv").unlink()
    (tmp_path / "run/histograms.json").write_text("{}")
    result = prunetool("report", run, *options)

    assert (result.code, result.err.splitlines()) == (0, [
        "run: events.csv: is not there",
        "run: histograms.json: is not what prunetool train writes",
    ])  # fmt: skip


def test_a_checkpoint_in_no_run_has_no_schedule(prunetool, run, tmp_path):
    (tmp_path / "run/checkpoints/last.ckpt").rename(tmp_path / "a.ckpt")
    result = prunetool("report", "a.ckpt", "--plot")

    assert result.err == "a.ckpt: lies in no run folder; there is no schedule to draw\n"
    assert "planned" not in result.out
    assert "weights now: 120 zeros" in result.out
    assert prunetool("report", "a.ckpt", "--plot", "--quiet").err == ""


def test_a_stream_that_holds_ascii_only(prunetool, run, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        assert prunetool("report", run, "--plot").code == 0
    assert "= achieved  o planned" in stream.buffer.getvalue().decode("ascii")


def test_requirements_go_with_a_page(prunetool, run, tmp_path):
    options = ("--format", "html", "-o", "run.html", "--require", "sparsity>=0.9")
    result = prunetool("report", run, *options)

    assert result.code == 1
    assert (tmp_path / "run.html").exists()


def test_json_is_as_before(prunetool, run):
    assert json.loads(prunetool("report", run, "--format", "json").out)["schema"] == 1


BAD = [
    (("run", "run", "--format", "html"), "--format html: goes with one checkpoint, got two"),
    (("run", "--mask", "conv*"), "--mask: chooses the pictures of a page; add --format html"),
    (("run", "--format", "html", "--mask", "cnov.weight"), "--mask cnov.weight: matches no tensor"),
    (("run", "--format", "json", "--plot"), "--plot: draws below a table; leave out --format"),
    (("run", "run", "--plot"), "--plot: goes with one checkpoint, got two"),
    (("run", "--format", "html", "-o", "run/checkpoints/last.ckpt"), "would replace the input"),
]


@pytest.mark.parametrize(("arguments", "fragment"), BAD)
def test_bad_usage(prunetool, run, arguments, fragment):
    result = prunetool("report", *arguments)

    assert (result.code, result.out) == (2, "")
    assert fragment in result.err
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "events.csv", "histograms.json"])
def test_a_runs_own_files_are_no_place_for_a_report(prunetool, run, name):
    target = run / name
    target.touch()
    before = target.read_bytes()
    result = prunetool("report", run, "-o", target)
    assert (result.code, target.read_bytes()) == (2, before)
    assert result.err.startswith(f"error: {target}: the output would replace the input")


def test_stdout_by_name_is_no_file_to_replace(prunetool, run):
    result = prunetool("report", run, "-o", "/dev/stdout")
    assert result.code == 2
    assert "expected the name of a file to write" in result.err


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--plot", "-o", "out.txt"), "--plot: draws for the terminal; leave out -o"),
        (("--depth", "1", "--format", "html"), "--depth: adds up in tables, not on a page"),
    ],
)
def test_what_does_not_go_together(prunetool, run, arguments, fragment):
    result = prunetool("report", run, *arguments)
    assert result.code == 2
    assert fragment in result.err
