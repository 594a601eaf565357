"""The page in a real browser: nothing is asked for, nothing overflows, charts show the numbers."""

from __future__ import annotations

import json

import pytest
import torch
from browser import CHROMIUM, Browser
from commandline import invoke
from run_on_disk import make_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")

LONG = "stage.blocks[11].attention.query_key_value.projection.parametrization.inner.weight"
# The bars as they are on the screen: their share of the bar's whole width.
BARS = """
[...document.querySelectorAll('.bars li')].map(row => [
  row.querySelector('code').textContent,
  row.querySelector('rect').getBoundingClientRect().width
    / row.querySelector('svg').getBoundingClientRect().width])
"""
# Where points are on the screen, as shares of the plot, with what they stand for.
POINTS = """
[...document.querySelectorAll('#over-time circle')].map(mark => {
  const of = mark.closest('svg.plot').getBoundingClientRect(), it = mark.getBoundingClientRect();
  return [mark.classList[1], +mark.dataset.x, +mark.dataset.y,
    (it.x + it.width / 2 - of.x) / of.width, 1 - (it.y + it.height / 2 - of.y) / of.height];
})
"""
LAYERS = """
[...document.querySelectorAll('#by-layer-numbers tbody tr')].map(row =>
  [row.cells[0].textContent, +row.cells[4].dataset.value, +row.cells[5].dataset.value])
"""
# WCAG's contrast of the text of an element with what is behind it.
CONTRAST = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(it => it / 255)
    .map(it => it <= .04045 ? it / 12.92 : ((it + .055) / 1.055) ** 2.4)
    .reduce((sum, it, i) => sum + it * [.2126, .7152, .0722][i], 0);
  const ground = it => {
    for (; it; it = it.parentElement) {
      const colour = parts(getComputedStyle(it).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const ratios = [...document.querySelectorAll('body *')]
    .filter(it => [...it.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .filter(it => !it.closest('svg'))
    .map(it => {
      const pair = [light(parts(getComputedStyle(it).color)), light(ground(it))].sort();
      return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    });
  return Math.min(...ratios);
})()
"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """A page on the disk, and the JSON about the same run."""
    monkeypatch.chdir(make_run(tmp_path / LONG))
    page = tmp_path / "run.html"
    result = invoke(monkeypatch, capsys, "report", ".", "--format", "html", "-o", page)
    assert result.code == 0, result.err
    content = invoke(monkeypatch, capsys, "report", ".", "--format", "json").out
    return page, json.loads(content)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_quiet_and_fits(browser, made, width, dark):
    browser.open(made[0], width=width, dark=dark)

    assert browser.value("document.documentElement.clientWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.happened("Runtime.exceptionThrown") == []
    assert browser.happened("Runtime.consoleAPICalled") == []
    assert browser.happened("Log.entryAdded") == []
    asked = [it["request"]["url"] for it in browser.happened("Network.requestWillBeSent")]
    assert [it for it in asked if not it.startswith("data:image/png")] == [made[0].as_uri()]
    assert browser.value("document.querySelectorAll('img').length") == 2
    assert browser.value("[...document.images].every(it => it.naturalWidth > 0)")
    assert browser.value("matchMedia('(prefers-color-scheme: dark)').matches") is dark
    assert browser.value(CONTRAST) >= 4.5


# How far the labels below each chart are apart, in pixels.
GAPS = """
[...document.querySelectorAll('.chart .x')].flatMap(axis => {
  const boxes = [...axis.children].map(it => it.getBoundingClientRect());
  return boxes.slice(1).map((it, i) => it.left - boxes[i].right);
})
"""


@pytest.mark.parametrize("scale", [1e-3, 1e-4, 1e-8, 1e37])
def test_labels_of_small_and_large_weights_do_not_touch(
    browser, tmp_path, monkeypatch, capsys, scale
):
    torch.manual_seed(0)
    torch.save({"a.weight": torch.randn(64, 64) * scale}, tmp_path / "a.pt")
    page = tmp_path / "a.html"
    options = ("--format", "html", "-o", page)
    assert invoke(monkeypatch, capsys, "report", tmp_path / "a.pt", *options).code == 0
    browser.open(page, width=390, dark=False)

    assert browser.value("document.documentElement.scrollWidth") == 390
    gaps = browser.value(GAPS)
    assert len(gaps) >= 8
    assert min(gaps) > 2


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_show_the_numbers_of_the_json(browser, made, width):
    page, content = made
    browser.open(page, width=width)

    layers = [[it["name"], it["zeros"], it["sparsity"]] for it in content["layers"]]
    assert browser.value(LAYERS) == layers
    pruned = {it["name"]: it["sparsity"] for it in content["layers"] if it["masked"]}
    assert dict(browser.value(BARS)) == {
        name: pytest.approx(share, abs=0.01) for name, share in pruned.items()
    }
    points = browser.value(POINTS)
    assert [(kind, x, y) for kind, x, y, *_ in points] == [
        ("achieved", 0, 0),
        ("achieved", 10, 0.40625),
        ("achieved", 20, 0.75),
        ("achieved", 30, 0.75),
        ("planned", 10, 0.4),
        ("planned", 20, 0.75),
    ]
    for _, x, y, across, up in points:
        assert across == pytest.approx(x / 30, abs=0.01)
        assert up == pytest.approx(y, abs=0.01)


def test_tables_are_opened_from_the_keyboard(browser, made):
    browser.open(made[0], width=1280)
    browser.value("document.querySelector('#by-layer summary').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")
    assert browser.value("document.querySelector('#by-layer details').open")


def test_paper_shows_tables_too(browser, made):
    browser.open(made[0], width=1280, dark=True)
    shown = "[...document.querySelectorAll('table')].every(it => it.checkVisibility())"
    assert not browser.value(shown)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.value(shown)
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.value("document.documentElement.scrollWidth") == 1280
    browser.call("Emulation.setEmulatedMedia", media="")
