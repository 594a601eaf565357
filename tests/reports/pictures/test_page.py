"""The page as its source says it: numbers against the JSON, and nothing that asks for anything."""

from __future__ import annotations

import json
import re

import pytest
import torch
from commandline import invoke
from page_reader import read_page
from run_on_disk import METRICS, make_run


@pytest.fixture
def report(monkeypatch, capsys, tmp_path):
    """Report on a path below the temporary folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = invoke(monkeypatch, capsys, "report", *arguments)
        assert result.code == 0, result.err
        assert "error" not in result.err
        return result.out

    return call


@pytest.fixture
def run(report, tmp_path):
    make_run(tmp_path / "run")
    page = read_page(report("run", "--format", "html"))
    return page, json.loads(report("run", "--format", "json"))


def svg_of(page, figure):
    return page.by_id(figure).all("svg", "plot")


def numbers_of(page, figure):
    return page.by_id(f"{figure}-numbers").values


def test_the_head_has_the_totals(run):
    page, content = run
    facts = {it.all("dt")[0].text: it.all("b")[0] for it in page.all("dl")[0].all("div")}
    assert {name: float(it.attributes["data-value"]) for name, it in facts.items()} == {
        "Sparsity asked": 0.75,
        "Pruned set": content["total"]["prunable"]["sparsity"],
        "Whole model": content["total"]["sparsity"],
        "Stored densely": sum(it["bytes"] for it in content["layers"]),
    }
    assert facts["Pruned set"].text == "75.00 %"


def test_layers_are_those_of_the_json(run):
    page, content = run
    rows = numbers_of(page, "by-layer")
    assert [(row[0], *row[3:6]) for row in rows] == [
        (it["name"], it["parameters"], it["zeros"], it["sparsity"]) for it in content["layers"]
    ]
    pruned = {it["name"]: it["sparsity"] for it in content["layers"] if it["masked"]}
    bars = {it.all("code")[0].text: it.all("rect")[0] for it in page.all("ul", "bars")[0].all("li")}
    assert {name: float(it.attributes["data-value"]) for name, it in bars.items()} == pruned
    widths = {name: float(it.attributes["width"].rstrip("%")) for name, it in bars.items()}
    assert widths == {name: pytest.approx(100 * value) for name, value in pruned.items()}


def test_the_schedule(run):
    page, _ = run
    assert numbers_of(page, "over-time") == [[1, 1, 10, 0.4, 0.40625], [2, 2, 20, 0.75, 0.75]]
    (svg,) = svg_of(page, "over-time")
    assert places(svg, "achieved") == [(0, 0), (10, 0.40625), (20, 0.75), (30, 0.75)]
    assert places(svg, "planned") == [(10, 0.4), (20, 0.75)]
    for mark in svg.all("circle"):
        x, y = (float(mark.attributes[f"data-{it}"]) for it in "xy")
        assert float(mark.attributes["cx"].rstrip("%")) == pytest.approx(100 * x / 30, abs=1e-3)
        assert float(mark.attributes["cy"].rstrip("%")) == pytest.approx(100 * (1 - y), abs=1e-3)
    (line,) = svg.all("path")
    assert line.attributes["d"] == "M0.00 1000.00H333.33V593.75H666.67V250.00H1000.00V250.00H1000"


def places(svg, kind):
    marks = svg.all("circle", kind)
    return [(float(it.attributes["data-x"]), float(it.attributes["data-y"])) for it in marks]


def test_the_monitored_metric_comes_first_and_the_others_can_be_opened(run):
    page, _ = run
    (others,) = page.all("details", "others")
    captions = [it.text for it in page.by_id("schedule").all("figcaption")]
    assert captions[1:] == ["val_acc (monitored)", "val_loss", "train_loss"]
    assert [it.text for it in others.all("figcaption")] == ["train_loss"]
    assert numbers_of(page, "metric-1") == [[1, 10, 0.25], [2, 20, 0.5], [3, 30, 0.875]]
    assert places(svg_of(page, "metric-1")[0], "metric") == [(10, 0.25), (20, 0.5), (30, 0.875)]
    # A value that is no number breaks the line, and stands in the table.
    assert places(svg_of(page, "metric-2")[0], "metric") == [(10, 1.5), (30, 0.75)]
    (line,) = svg_of(page, "metric-2")[0].all("path")
    assert line.attributes["d"].count("M") == 2
    assert page.by_id("metric-2-numbers").rows[1] == ["2", "20", "nan"]


def test_histograms_before_and_now(run, tmp_path):
    page, _ = run
    before, now = svg_of(page, "all-weights")
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt")["state_dict"]
    values = torch.cat(
        [
            (saved[f"{name}_orig"] * saved[f"{name}_mask"]).flatten()
            for name in ("conv.weight", "<b>&.weight")
        ]
    )
    assert counts(now) == int(values.count_nonzero()) == 40
    assert counts(before) == 160
    table = page.by_id("all-weights-numbers")
    assert table.values[-2] == ["exactly zero", 0, 120]
    for row in table.values[:-2]:
        low, high = map(float, row[0].split(" to "))
        held = (values >= low) & (values < high) if low >= 0 else (values > low) & (values <= high)
        assert int((held & (values != 0)).sum()) == row[2]
    highest = max(int(it.attributes["data-n"]) for it in now.all("rect"))
    heights = [
        (int(it.attributes["data-n"]) / highest, float(it.attributes["height"].rstrip("%")))
        for it in now.all("rect")
    ]
    most = max(height for _, height in heights)
    assert all(height == pytest.approx(share * most, rel=1e-4) for share, height in heights)


def counts(svg):
    return sum(int(it.attributes["data-n"]) for it in svg.all("rect"))


def test_masks(run):
    page, _ = run
    figures = page.by_id("masks").all("figure")
    assert [it.all("code")[0].text for it in figures] == ["conv.weight", "<b>&.weight"]
    assert "3 rows and 0 columns are all zero" in figures[0].text
    table = page.by_id("mask-1-numbers")
    assert [row[1:] for row in table.values] == [[1.0] * 8, [0.0] * 8, [0.0] * 8, [0.0] * 8]
    image = figures[0].all("img")[0].attributes
    assert image["src"].startswith("data:image/png;base64,")
    assert (image["width"], image["height"]) == ("96", "48")


def test_masks_of_chosen_layers(report, tmp_path):
    make_run(tmp_path / "run")
    page = read_page(report("run", "--format", "html", "--mask", "*bias", "--mask", "conv.w*"))
    captions = [it.all("figcaption")[0].text for it in page.by_id("masks").all("figure")]
    assert captions == ["conv.weight", "conv.bias", "<b>&.bias"]


def test_names_and_settings_are_no_markup(run):
    page, _ = run
    assert page.all("b") == page.all("dl")[0].all("b")
    assert "target: demo:<b>Net</b>" in page.by_id("configuration").text
    assert "<b>&.weight" in page.by_id("by-layer").text


def test_commands_name_the_run(run):
    page, _ = run
    assert page.by_id("commands").all("code")[0].text.splitlines() == [
        "prunetool train --config run/config.yaml --output run-again",
        "prunetool report run",
        "prunetool finalize run/checkpoints/last.ckpt",
        "prunetool export run/checkpoints/last.ckpt",
    ]


def test_the_page_asks_for_nothing(report, tmp_path):
    make_run(tmp_path / "run")
    text = report("run", "--format", "html")
    page = read_page(text)
    (policy,) = [it for it in page.all("meta") if "http-equiv" in it.attributes]
    assert policy.attributes["content"].startswith("default-src 'none';")
    addresses = [
        value
        for node in page.everything
        for key, value in node.attributes.items()
        if key in ("src", "href", "srcset", "data", "action", "poster", "background", "xlink:href")
    ]
    assert addresses
    assert all(it.startswith(("#", "data:image/png;base64,")) for it in addresses)
    loading = {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert {it.tag for it in page.everything} & loading == set()
    assert not [key for it in page.everything for key in it.attributes if key.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", text)
    assert text == report("run", "--format", "html")


def test_it_can_be_used_without_seeing_it(run):
    page, _ = run
    ids = [it.attributes["id"] for it in page.everything if "id" in it.attributes]
    assert len(ids) == len(set(ids))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert [len(page.all(it)) for it in ("h1", "main", "header", "nav", "footer")] == [1] * 5
    links = [it.attributes["href"] for it in page.all("a")]
    assert links[0] == "#content"
    assert all(link.removeprefix("#") in ids for link in links)
    for section in page.all("section"):
        assert section.attributes["aria-labelledby"] in ids
    for svg in [*page.all("svg", "plot"), *page.all("svg", "bar")]:
        assert svg.attributes["role"] == "img"
        assert svg.attributes["aria-label"]
    assert all(it.attributes["alt"] for it in page.all("img"))
    for figure in page.all("figure"):
        assert figure.all("figcaption")
        assert figure.all("details")[-1].all("table")
    for box in page.all("div", "scroll"):
        assert (box.attributes["tabindex"], box.attributes["role"]) == ("0", "region")


def test_a_checkpoint_without_a_run(report, tmp_path):
    torch.save({"a.weight": torch.eye(4), "a.bias": torch.ones(4)}, tmp_path / "a.pt")
    page = read_page(report("a.pt", "--format", "html"))
    headings = [it.text for it in page.all("h2")]
    assert headings == ["Sparsity by layer", "Weights", "Masks", "Commands"]
    assert "lies in no run folder" in page.all("header")[0].text
    assert [it.attributes["class"] for it in svg_of(page, "all-weights")] == ["plot histogram now"]


@pytest.mark.parametrize(
    ("texts", "fragment"),
    [
        ({"events": None}, "events.csv: is not there"),
        ({"metrics": METRICS.replace("30", "x")}, "expected a number for step, got 'x'"),
        ({"histograms": "{}"}, "histograms.json: is not what prunetool train writes"),
        ({"events": None, "metrics": None, "histograms": None}, "metrics.csv: is not there"),
        ({"config": None}, "config.yaml: is not there"),
        ({"config": "a: [1\nb: }"}, "config.yaml: is not what prunetool train writes"),
    ],
)
def test_what_is_missing_is_said(report, tmp_path, texts, fragment):
    make_run(tmp_path / "run", **texts)
    page = read_page(report("run", "--format", "html"))
    assert fragment in " ".join(it.text for it in page.all("p", "note"))
    assert len(page.by_id("masks").all("figure")) == 2


@pytest.mark.parametrize("config", [None, "a: [1"])
def test_without_a_config_there_is_a_schedule_and_no_command_that_needs_it(
    report, tmp_path, config
):
    make_run(tmp_path / "run", config=config)
    page = read_page(report("run", "--format", "html"))
    assert len(numbers_of(page, "over-time")) == 2
    assert "prunetool train" not in page.by_id("commands").text


def test_metrics_beyond_what_can_be_drawn(report, tmp_path):
    values = ["1e308,5e-324,1.7e308", "-1e308,1e-323,1.79e308", "2.0,1e-323,1e308"]
    rows = "".join(f"{i},{10 * i},0.5,{it}\n" for i, it in enumerate(values, start=1))
    make_run(tmp_path / "run", metrics=f"epoch,step,sparsity,a,val_b,c\n{rows}")
    text = report("run", "--format", "html")
    drawn = re.findall(r'(?:x1|x2|y1|y2|cx|cy|d|style)="([^"]*)"', text)
    assert not [it for it in drawn if re.search("nan|inf", it)]
    page = read_page(text)
    assert numbers_of(page, "metric-2")[0][-1] == 1e308


def test_a_run_seen_from_within_has_its_name(report, tmp_path, monkeypatch):
    monkeypatch.chdir(make_run(tmp_path / "digits"))
    for path, again in ((".", "../digits-again"), ("checkpoints/last.ckpt", "../digits-again")):
        page = read_page(report(path, "--format", "html"))
        assert [it.text for it in page.all("h1")] == ["digits"]
        assert f"--output {again}" in page.by_id("commands").text


def test_without_events_epochs_say_how_sparse_it_was(report, tmp_path):
    make_run(tmp_path / "run", events=None)
    page = read_page(report("run", "--format", "html"))
    assert numbers_of(page, "over-time") == [[1, 10, 0.40625], [2, 20, 0.75], [3, 30, 0.75]]
    (svg,) = svg_of(page, "over-time")
    assert places(svg, "planned") == []


def test_tensors_that_are_hard_to_draw(report, tmp_path):
    torch.save(
        {
            "nan.weight": torch.full((3, 3), float("nan")),
            "zero.weight": torch.zeros(300, 300),
            "empty.weight": torch.zeros(0, 4),
            "half.weight": torch.ones(2, 2).half(),
            "eighth.weight": torch.ones(2, 2).to(torch.float8_e4m3fn),
            "scalar": torch.tensor(1.0),
            "long.weight": torch.ones(1, 5000),
        },
        tmp_path / "odd.pt",
    )
    page = read_page(report("odd.pt", "--format", "html", "--mask", "*"))
    captions = [it.all("figcaption")[0].text for it in page.by_id("masks").all("figure")]
    assert captions == [
        "nan.weight", "zero.weight", "half.weight", "eighth.weight", "scalar", "long.weight"
    ]  # fmt: skip
    assert len(page.by_id("by-layer-numbers").values) == 7


def test_a_model_without_a_pruned_set(report, tmp_path):
    torch.save({"bias": torch.ones(3)}, tmp_path / "bias.pt")
    page = read_page(report("bias.pt", "--format", "html"))
    said = [it.text for it in page.all("p", "note")]
    assert "The pruned set has no weights to show." in said
    assert "There is no layer to picture; name some with --mask." in said
