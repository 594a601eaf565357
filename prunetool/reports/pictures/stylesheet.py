"""How the page looks: light and dark, wide and narrow, on paper. It asks for nothing from outside.

Text on its background has a contrast of 4.5:1 or more, in both schemes.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f9; --text: #1c2128; --soft: #57606a; --rule: #d8dee4;
  --grid: #e4e8ec; --link: #0a58b8; --achieved: #1f66cc; --planned: #b3530a; --metric: #0f7a6c;
  --before: #6b7785; --now: #1f66cc;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14181d; --panel: #1c2229; --text: #e6e9ed; --soft: #a3adb8; --rule: #343c46;
    --grid: #2a313a; --link: #7cb7ff; --achieved: #6aa9ff; --planned: #f2a65a; --metric: #4fc9b4;
    --before: #8d99a6; --now: #6aa9ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); }
header, nav, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--panel); }
.skip:focus { left: 0; z-index: 1; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 2rem 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 1rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
section { padding: 1.75rem 0 1.25rem; border-top: 1px solid var(--rule); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: .875em; overflow-wrap: anywhere; unicode-bidi: isolate; }
.lead, .note { color: var(--soft); margin: .25rem 0; max-width: 56rem; overflow-wrap: anywhere; }
.note { font-size: .875rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem;
  margin: 1.5rem 0; }
.facts div { background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .75rem 1rem; }
.facts dt { color: var(--soft); font-size: .875rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.facts dd b { font-size: 1.5rem; font-weight: 600; display: block; line-height: 1.3; }
.facts dd span { color: var(--soft); font-size: .875rem; }
figure { margin: 0 0 2rem; }
figcaption { font-weight: 600; margin-bottom: .5rem; overflow-wrap: anywhere; }
details { margin-top: .5rem; font-size: .875rem; }
summary { cursor: pointer; color: var(--link); padding: .25rem 0; width: fit-content;
  max-width: 100%; overflow-wrap: anywhere; }
details.others { font-size: 1rem; }
details.others > figure { margin-top: 1rem; }
.scroll { overflow-x: auto; max-height: 30rem; overflow-y: auto; border: 1px solid var(--rule);
  border-radius: .375rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 100%; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .25rem .75rem; text-align: left; white-space: nowrap; font-weight: 400; }
thead th { position: sticky; top: 0; background: var(--panel); color: var(--soft); }
tbody tr + tr > * { border-top: 1px solid var(--grid); }
.number { text-align: right; }
pre { margin: 0; padding: .75rem 1rem; font-size: .8125rem; line-height: 1.5; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0;
  margin: 0 0 .5rem; font-size: .875rem; color: var(--soft); }
.swatch { display: inline-block; width: 1.1rem; margin-right: .5rem; vertical-align: middle; }
.swatch.achieved { border-top: 2.5px solid var(--achieved); }
.swatch.planned { width: .7rem; height: .7rem; border: 2px solid var(--planned);
  border-radius: 50%; }
.chart { display: grid; grid-template-columns: 3.5rem 1fr; font-size: .75rem; color: var(--soft);
  font-variant-numeric: tabular-nums; padding-right: 1rem; }
.chart .y-name { grid-column: 1 / -1; padding: 0 0 .6rem;
  min-height: .6rem; }
.chart .y, .chart .x { position: relative; }
.chart .y span { position: absolute; right: .5rem; transform: translateY(-50%);
  white-space: nowrap; }
.chart .x { grid-column: 2; height: 1.4rem; margin-top: .25rem; }
.chart .x span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.chart .x-name { grid-column: 2; text-align: right; }
.plot { width: 100%; height: 13rem; overflow: visible; display: block; }
.plot.metric { height: 9rem; }
.plot.histogram { height: 7rem; }
.plot .grid { stroke: var(--grid); stroke-width: 1; shape-rendering: crispEdges; }
.plot .stretched { overflow: visible; }
.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.plot .line.achieved { stroke: var(--achieved); }
.plot .line.metric { stroke: var(--metric); }
.plot .mark.achieved { fill: var(--achieved); }
.plot .mark.metric { fill: var(--metric); }
.plot .mark.planned { fill: none; stroke: var(--planned); stroke-width: 2; pointer-events: all; }
.plot .mark:hover { stroke: var(--text); stroke-width: 2; }
.plot.histogram rect { fill: var(--now); stroke: var(--ground); stroke-width: .5; }
.plot.histogram.before rect { fill: var(--before); }
.plot.histogram rect:hover { fill: var(--text); }
.chart + .chart { margin-top: .75rem; }
.bars { list-style: none; margin: 0; padding: 0; font-size: .875rem; }
.bars li { display: grid; gap: 0 1rem; padding: .3rem 0; align-items: center;
  grid-template-columns: minmax(10rem, 22rem) minmax(6rem, 1fr) 4.5rem 12rem; }
.bars .share { text-align: right; font-variant-numeric: tabular-nums; }
.bars .of { color: var(--soft); font-size: .75rem; font-variant-numeric: tabular-nums; }
.bar { width: 100%; height: .875rem; background: var(--grid); border-radius: .2rem;
  overflow: hidden; display: block; }
.bar rect { fill: var(--achieved); }
.few { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 0 2rem; align-items: start; }
.few figure { min-width: 0; }
.few .plot.histogram { height: 5rem; }
.frame { overflow-x: auto; }
.mask { image-rendering: pixelated; display: block; box-sizing: content-box;
  border: 1px solid var(--rule);
  background: var(--panel); }
footer { color: var(--soft); font-size: .875rem; padding-bottom: 3rem; }
@media (max-width: 44rem) {
  .bars li { grid-template-columns: 1fr 4.5rem; }
  .bars code, .bars .of { grid-column: 1 / -1; }
}
@media print {
  :root { color-scheme: light; --ground: #fff; --panel: #fff; --text: #000; --soft: #444;
    --rule: #bbb; --grid: #ddd; --link: #000; --achieved: #1f66cc; --planned: #b3530a;
    --metric: #0f7a6c; --before: #6b7785; --now: #1f66cc; font-size: 12px; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav, .skip { display: none; }
  header, main, footer { max-width: none; padding: 0; }
  .few { display: block; }
  .mask { max-width: 100%; height: auto; }
  .chart, .bars li, .frame, .facts, tr, h2, figcaption { break-inside: avoid; }
  h2, figcaption, .legend { break-after: avoid; }
  .scroll { max-height: none; overflow: visible; border: 0; }
  th, td { white-space: normal; overflow-wrap: anywhere; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  thead th { position: static; }
  th, td { padding: .1rem .5rem; }
  table { min-width: 60%; }
  summary { list-style: none; color: var(--soft); }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
