"""The page: one HTML document that holds all it needs, and runs nothing."""

from __future__ import annotations

import os
import shlex
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prunetool._version import __version__
from prunetool.reports.pictures.axes import grouped, percent
from prunetool.reports.pictures.figures import sentences
from prunetool.reports.pictures.markup import Markup, element, join
from prunetool.reports.pictures.runfiles import CONFIG
from prunetool.reports.pictures.sections import (
    Section,
    histograms_section,
    layers_section,
    masks_section,
    schedule_section,
)
from prunetool.reports.pictures.stylesheet import STYLE
from prunetool.reports.pictures.subject import Subject
from prunetool.reports.statistics import Count

# The page asks for nothing, and whatever a name in it might be taken for is not run.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


_NO_RUN = (
    "It lies in no run folder of prunetool train: how it came to be, and how its weights were "
    "spread before, is not known."
)


def render_page(subject: Subject) -> str:
    """Give the whole document; the same subject gives the same text."""
    possible = [
        schedule_section(subject),
        layers_section(subject),
        histograms_section(subject),
        masks_section(subject),
        _configuration(subject),
        _commands(subject),
    ]
    sections = [section for section in possible if section is not None]
    body = element(
        "body",
        element("a", "Skip to the charts", href="#content", class_="skip"),
        _header(subject),
        _contents(sections),
        element("main", *(_section(it) for it in sections), id="content"),
        element("footer", element("p", _versions(subject))),
    )
    document = element("html", _head(subject), body, lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def _head(subject: Subject) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{_title(subject)}: sparsity report"),
        element("style", Markup(STYLE)),
    )


def _header(subject: Subject) -> Markup:
    source = subject.report.source
    kind = "A run of prunetool train" if subject.run is not None else "A checkpoint"
    masks = "no masks" if source.masks is None else f"masks by {source.masks}"
    lead = element(
        "p", f"{kind}: ", element("code", source.path), f", format {source.format}, {masks}."
    )
    return element(
        "header",
        element("h1", _title(subject)),
        element(
            "div", lead, sentences([] if subject.run is not None else [_NO_RUN]), class_="lead"
        ),
        element("dl", *_facts(subject), class_="facts"),
    )


def _facts(subject: Subject) -> list[Markup]:
    report = subject.report
    whole = "Whole model" if report.complete else "All selected"
    facts = [_count("Pruned set", report.prunable), _count(whole, report.total)]
    asked = asked_sparsity(subject)
    if asked is not None:
        facts.insert(0, _fact("Sparsity asked", percent(asked), "of the pruned set", asked))
    size = sum(layer.bytes for layer in report.layers)
    sparse = sum(layer.sparse_bytes for layer in report.layers)
    said = f"{grouped(size)} bytes; {grouped(sparse)} as a sparse export"
    facts.append(_fact("Stored densely", _bytes(size), said, size))
    return facts


def asked_sparsity(subject: Subject) -> float | None:
    """Say what the run was to reach: what its settings say, or what its last event aimed at."""
    run = subject.run
    if run is None:
        return None
    for settings in (run.settings, run.settings.get("pruning")):
        asked = settings.get("sparsity") if isinstance(settings, dict) else None
        if isinstance(asked, int | float) and 0 <= asked <= 1:
            return float(asked)
    return run.events[-1].planned if run.events else None


def _count(name: str, count: Count) -> Markup:
    of = f"{grouped(count.zeros)} of {grouped(count.parameters)} parameters are zero"
    return _fact(name, percent(count.sparsity), of, count.sparsity)


def _fact(name: str, shown: str, more: str, value: float) -> Markup:
    number = element("b", shown, data_value=repr(value))
    return element("div", element("dt", name), element("dd", number, element("span", more)))


def _contents(sections: list[Section]) -> Markup:
    links = (element("li", element("a", it.heading, href=f"#{it.id}")) for it in sections)
    return element("nav", element("ul", *links), aria_label="Contents")


def _section(section: Section) -> Markup:
    heading = f"{section.id}-heading"
    return element(
        "section",
        element("h2", section.heading, id=heading),
        section.content,
        id=section.id,
        aria_labelledby=heading,
    )


def _configuration(subject: Subject) -> Section | None:
    if subject.run is None:
        return None
    run = subject.run
    parts = [sentences([run.missing[CONFIG]])] if CONFIG in run.missing else []
    if run.config:
        parts.append(_code(run.config.rstrip("\n"), "config.yaml of the run"))
    return Section("configuration", "Configuration", join(parts))


def _commands(subject: Subject) -> Section:
    path, file = shlex.quote(str(subject.path)), shlex.quote(subject.report.source.path)
    lines = [f"prunetool report {path}", f"prunetool finalize {file}", f"prunetool export {file}"]
    if subject.run is not None and CONFIG not in subject.run.missing:
        config = shlex.quote(str(subject.run.folder / "config.yaml"))
        lines.insert(0, f"prunetool train --config {config} --output {_anew(subject)}")
    else:
        lines.insert(1, f"prunetool report {path} --format html --output report.html")
    return Section("commands", "Commands", _code("\n".join(lines), "commands to reproduce this"))


def _anew(subject: Subject) -> str:
    folder = subject.run.folder if subject.run is not None else subject.path
    again = folder.with_name(f"{folder.name}-again") if _has_name(folder) else None
    return shlex.quote(str(again or folder / os.pardir / f"{folder.resolve().name}-again"))


def _has_name(path: Path) -> bool:
    """Whether it ends with a name: not with ``.`` or ``..``."""
    return path.name not in ("", os.pardir)


def _code(text: str, label: str) -> Markup:
    return element(
        "div",
        element("pre", element("code", text)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=label,
    )


def _title(subject: Subject) -> str:
    path = subject.path.name or subject.path if subject.run is None else subject.run.folder
    return str(path) if _has_name(Path(path)) else Path(path).resolve().name


def _versions(subject: Subject) -> str:
    said = [f"Report by prunetool {__version__}"]
    for package in ("torch", "lightning"):
        try:
            said.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    wrote = subject.run.settings.get("prunetool") if subject.run is not None else None
    wrote = wrote.get("version") if isinstance(wrote, dict) else wrote
    run = f"; the run was made with prunetool {wrote}" if isinstance(wrote, str) else ""
    return ", ".join(said) + run + "."


def _bytes(size: int) -> str:
    scaled, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if scaled < 1000:
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g} {unit}" if unit != "B" else f"{size} B"
