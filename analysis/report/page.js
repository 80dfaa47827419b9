"use strict";
const QUIET = { responsive: true, displaylogo: false, displayModeBar: false };
const LOOK = { font: { family: "system-ui, sans-serif", size: 13 }, plot_bgcolor: "#fff", paper_bgcolor: "#fff", hovermode: "closest", showlegend: false };
const GRID = { gridcolor: "#e5e5e5", zeroline: false, automargin: true };
const networks = page.groups.flatMap(group => group.networks);
const byTrial = new Map(networks.map(network => [network.trial, network]));
const linked = []; // plots with a trace a network, which selecting and filtering make stand out

function element(parent, tag, text, more) {
  const made = Object.assign(document.createElement(tag), more);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

// One network: its row, where its weights lie, its architecture, and what it makes of the first test image.
function select(trial) {
  const chosen = byTrial.get(trial), target = document.getElementById("detail");
  target.replaceChildren();
  target.hidden = !chosen;
  document.querySelectorAll("tr[data-trial]").forEach(row => row.classList.toggle("selected", row.dataset.trial === trial));
  emphasise();
  if (!chosen) return;
  element(target, "button", "close", { className: "close", type: "button", onclick: () => select(null) });
  const parts = element(target, "div", "", { className: "parts" }), told = element(parts, "div");
  element(element(told, "p"), "strong", chosen.name + ", seed " + chosen.seed);
  element(told, "p", chosen.figures);
  const settings = Object.entries(chosen.values).filter(([name, value]) => value !== null && page.axes[name]);
  if (settings.length) element(told, "p", settings.map(([name, value]) => `${page.axes[name]} = ${value}`).join(", "));
  element(told, "p", "Architecture " + chosen.architecture + ", trial " + chosen.trial);
  element(told, "div").innerHTML = page.drawings[chosen.architecture] || "";
  element(element(told, "p", "Weights, in the study's storage: "), "code", chosen.weights);
  const others = networks.filter(one => one.configuration === chosen.configuration && one !== chosen);
  if (others.length) {
    const line = element(told, "p", "Its other seeds: ");
    others.forEach(one => element(line, "button", `${one.seed} (${one.values.psnr_db.toFixed(2)} dB) `, { type: "button", onclick: () => select(one.trial) }));
  }
  const pictures = element(parts, "div", "", { className: "pictures" });
  for (const [key, name] of [["clean", "clean"], ["degraded", "degraded"], [chosen.picture, "restored"]]) {
    if (!page.pictures[chosen.picture]) continue;
    const figure = element(pictures, "figure");
    element(figure, "img", "", { src: page.pictures[key], alt: `the first test image, ${name}` });
    element(figure, "figcaption", name);
  }
  if (!page.pictures[chosen.picture]) element(pictures, "p", "This page holds no restored image of it.", { className: "quiet" });
}

function emphasise() {
  const row = document.querySelector("tr.selected[data-trial]"), selected = row && row.dataset.trial;
  const left = new Set([...document.querySelectorAll("table.sortable tr[data-trial]:not([hidden])")].map(one => one.dataset.trial));
  for (const { target, trials, opacity } of linked) {
    const shown = trials.map(one => !left.has(one) ? 0.04 : !selected ? opacity : one === selected ? 1 : 0.15);
    Plotly.restyle(target, { opacity: shown, "line.width": trials.map(one => one === selected ? 4 : 1.5) });
  }
}

function draw(id, data, layout, trials, opacity) {
  const target = document.getElementById(id);
  if (!target) return;
  Plotly.newPlot(target, data, { ...LOOK, margin: { l: 60, r: 20, t: 15, b: 50 }, height: 360, ...layout }, QUIET);
  target.on("plotly_click", event => {
    const point = event.points.find(one => one.customdata || one.data.meta);
    if (!point) return;
    const known = point.customdata || point.data.meta;
    select((byTrial.get(known) || networks.find(one => one.configuration === known) || {}).trial || null);
  });
  if (trials) linked.push({ target, trials, opacity });
}

const axis = (text, more) => ({ ...GRID, title: { text, standoff: 8 }, ...more });
const hover = one => `${one.name}, seed ${one.seed}<br>${one.values.psnr_db.toFixed(2)} dB<extra></extra>`;

// What a network trained as, once for all trials that share the training.
function drawCurves(id, known) {
  const own = known.filter((one, place) => one.curve[0].length && known.findIndex(other => other.training === one.training) === place);
  const data = own.map(one => ({ type: "scatter", mode: "lines", x: one.curve[0], y: one.curve[1], meta: one.trial, opacity: 0.6, line: { color: one.colour, width: 1.5 }, hovertemplate: `%{y:.2f} dB at iteration %{x}<br>${hover(one)}` }));
  draw(id, data, { xaxis: axis("training iteration"), yaxis: axis("PSNR on watched crops (dB)") }, own.map(one => one.trial), 0.6);
}

function drawProgress(id, progress) {
  const line = { type: "scatter", mode: "lines+markers", x: progress.seconds, y: progress.validation_psnr_db, customdata: progress.trial_id, line: { shape: "hv", color: "#0072b2" }, hovertemplate: "%{y:.2f} dB after %{x:.0f} s<extra></extra>" };
  draw(id, [line], { xaxis: axis("searching and training so far (s of one device)", { rangemode: "tozero" }), yaxis: axis("best validation PSNR so far (dB)") });
}

// Places of an axis's values from 0 to 1: settings stand evenly, what was measured to scale.
function scaleOf(name, known) {
  const values = [...new Set(known.map(one => one.values[name]).filter(value => value !== null && value !== undefined))];
  const numeric = values.every(value => typeof value === "number");
  values.sort(numeric ? (a, b) => a - b : undefined);
  const first = values[0], last = values[values.length - 1], even = name in page.axes || !numeric;
  const place = value => (values.length < 2 ? 0.5 : even ? values.indexOf(value) / (values.length - 1) : (value - first) / (last - first));
  const text = value => (typeof value === "number" ? (Number.isInteger(value) ? value : Number(value.toPrecision(4))).toLocaleString("en", { maximumFractionDigits: 6 }).replace("-", "−") : value);
  return { values: even ? values : values.length > 1 ? [first, last] : values, place, text };
}

// Lines of SVG in the place of plotly's own parallel coordinates: they need no WebGL, and print.
function drawParallel(id, known) {
  const measured = { parameters: "parameters", test_time_ms: "time (ms)", psnr_db: "PSNR (dB)" };
  const names = [...Object.keys(page.axes).filter(name => known.some(one => one.values[name] !== null && one.values[name] !== undefined)), ...Object.keys(measured).filter(name => known.some(one => typeof one.values[name] === "number"))];
  const scales = Object.fromEntries(names.map(name => [name, scaleOf(name, known)]));
  const data = known.map(one => {
    const there = names.filter(name => one.values[name] !== null && one.values[name] !== undefined);
    return { type: "scatter", mode: "lines+markers", x: there.map(name => names.indexOf(name)), y: there.map(name => scales[name].place(one.values[name])), meta: one.trial, opacity: 0.6, line: { color: one.colour, width: 1.5 }, marker: { size: 7, symbol: one.symbol, color: one.colour }, text: there.map(name => `${page.axes[name] || measured[name]} = ${scales[name].text(one.values[name])}`), hovertemplate: `%{text}<br>${hover(one)}` };
  });
  const annotations = names.flatMap((name, x) => scales[name].values.slice(0, 12).map(value => ({ x, y: scales[name].place(value), text: scales[name].text(value), showarrow: false, xanchor: x ? "right" : "left", xshift: x ? -7 : 7, font: { size: 11 }, bgcolor: "rgba(255,255,255,.75)" })));
  const titles = names.map(name => page.axes[name] || measured[name]);
  draw(id, data, { annotations, xaxis: { tickvals: names.map((_, x) => x), ticktext: titles, range: [-0.15, names.length - 0.85], gridcolor: "#999", zeroline: false, fixedrange: true }, yaxis: { visible: false, range: [-0.06, 1.06], fixedrange: true }, margin: { l: 20, r: 20, t: 15, b: 35 } }, known.map(one => one.trial), 0.6);
}

// PSNR against each setting that was varied, the others as they come.
function drawSlices(id, known) {
  const searched = known.filter(one => one.kind === "searched");
  const names = Object.keys(page.axes).filter(name => new Set(searched.map(one => one.values[name])).size > 1);
  const target = document.getElementById(id);
  if (!names.length && target) target.closest("figure").remove();
  if (!names.length) return;
  const layout = { yaxis: axis("PSNR (dB)") }, data = [], width = 1 / names.length;
  names.forEach((name, place) => {
    const own = searched.filter(one => one.values[name] !== null), scale = scaleOf(name, own), end = place ? place + 1 : "";
    const at = one => scale.values.indexOf(one.values[name]) + 0.12 * ((one.seed % 5) - 2) / 2;
    layout["xaxis" + end] = axis(page.axes[name], { domain: [place * width, (place + 1) * width - 0.04], tickvals: scale.values.map((_, x) => x), ticktext: scale.values.map(scale.text), range: [-0.5, scale.values.length - 0.5], zeroline: false });
    data.push({ type: "scatter", mode: "markers", xaxis: "x" + end, yaxis: "y", x: own.map(at), y: own.map(one => one.values.psnr_db), customdata: own.map(one => one.trial), marker: { size: 9, color: own.map(one => one.colour), symbol: own.map(one => one.symbol), opacity: 0.8 }, text: own.map(one => `${one.name}, seed ${one.seed}`), hovertemplate: "%{text}<br>%{y:.2f} dB<extra></extra>" });
    const means = scale.values.map(value => { const of = own.filter(one => one.values[name] === value); return of.reduce((sum, one) => sum + one.values.psnr_db, 0) / of.length; });
    data.push({ type: "scatter", mode: "markers", xaxis: "x" + end, yaxis: "y", x: scale.values.map((_, x) => x), y: means, marker: { symbol: "line-ew-open", size: 34, color: "#000", line: { width: 2 } }, hovertemplate: "mean %{y:.2f} dB<extra></extra>" });
  });
  draw(id, data, layout);
}

// Tables: headings sort, the search field filters, and a row selects its network.
const number = text => { const found = Number(text.replace(/,/g, "").replace("−", "-").replace(/ ±.*/, "")); return text.trim() && !Number.isNaN(found) ? found : null; };
function sortBy(heading) {
  const table = heading.closest("table"), place = [...heading.parentNode.children].indexOf(heading), body = table.tBodies[0];
  const down = heading.getAttribute("aria-sort") !== "descending";
  [...heading.parentNode.children].forEach(one => one.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => { const text = row.cells[place].textContent; return [text.trim() === "", number(text), text]; };
  const compare = (a, b) => a[1] !== null && b[1] !== null ? a[1] - b[1] : a[2].localeCompare(b[2]);
  const keyed = [...body.rows].map(row => [key(row), row]);
  keyed.sort(([a], [b]) => a[0] - b[0] || (down ? compare(b, a) : compare(a, b)));
  body.append(...keyed.map(([, row]) => row));
}
document.querySelectorAll("table.sortable th").forEach(heading => {
  const text = heading.textContent;
  heading.textContent = "";
  element(heading, "button", text, { type: "button", onclick: () => sortBy(heading) });
});
document.querySelectorAll("input.filter").forEach(input => input.addEventListener("input", () => {
  const table = document.getElementById(input.dataset.table), words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of table.tBodies[0].rows) {
    const named = [...row.cells].map((cell, place) => `${table.tHead.rows[0].cells[place].textContent}=${cell.textContent}`).join(" ").toLowerCase();
    row.hidden = !words.every(word => named.includes(word));
    left += !row.hidden;
  }
  document.getElementById(input.dataset.table + "-count").textContent = `${left} of ${table.tBodies[0].rows.length} rows`;
  emphasise();
}));
document.querySelectorAll("input.columns").forEach(input => input.addEventListener("change", () => document.getElementById(input.dataset.table).classList.toggle("fewer", !input.checked)));
document.querySelectorAll("tr[data-trial] button").forEach(button => button.addEventListener("click", () => select(button.closest("tr").dataset.trial)));
document.addEventListener("keydown", event => { if (event.key === "Escape") select(null); });

const strip = { yaxis2: { ...GRID, title: { text: "% of all", font: { size: 11 } }, domain: [0, 0.17], anchor: "x", nticks: 3 }, height: 600 };
const paretoLayout = plot => ({
  showlegend: true, height: 500, margin: { l: 60, r: 15, t: 15, b: 55 },
  legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" },
  xaxis: axis(plot.cost, { anchor: plot.has_strip ? "y2" : "y" }),
  yaxis: { ...GRID, title: { text: "PSNR (dB)" }, domain: [plot.has_strip ? 0.26 : 0, 1] },
  ...(plot.has_strip ? strip : {}),
});
for (const [id, plot] of Object.entries(page.plots)) draw(id, plot.data, paretoLayout(plot));
page.groups.forEach((group, place) => {
  drawCurves(`curves-${place}`, group.networks);
  drawProgress(`progress-${place}`, group.progress);
  drawParallel(`parallel-${place}`, group.networks);
  drawSlices(`slices-${place}`, group.networks);
});

// Paper is narrower than the screen, and shows what is folded away.
function forPaper() {
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  document.querySelectorAll(".plot").forEach(one => Plotly.relayout(one, { width: 690 }));
}
const forScreen = () => document.querySelectorAll(".plot").forEach(one => Plotly.relayout(one, { width: null, autosize: true }));
matchMedia("print").addEventListener("change", event => (event.matches ? forPaper() : forScreen()));
window.addEventListener("beforeprint", forPaper);
window.addEventListener("afterprint", forScreen);
