function element(parent, tag, text) { const made = document.createElement(tag); if (text) made.textContent = text; parent.append(made); return made; }
function describe(target, id) {
  const about = details[id]; target.replaceChildren();
  element(element(target, "p"), "strong", about.name);
  let last = null;
  for (const one of about.seeds) {
    element(target, "p", `seed ${one.seed}: ${one.psnr}, ${one.parameters} parameters, ${one.time}`);
    if (one.architecture !== last) { const drawing = element(target, "div"); drawing.innerHTML = drawings[one.architecture] || ""; }
    last = one.architecture;
  }
}
for (const [id, plot] of Object.entries(plots)) {
  const target = document.getElementById(id), detail = document.getElementById(id + "-detail");
  Plotly.newPlot(target, plot.data, plot.layout, { responsive: true, displaylogo: false, displayModeBar: false });
  const show = event => { const point = event.points.find(point => point.customdata); if (point) describe(detail, point.customdata); };
  target.on("plotly_hover", show); target.on("plotly_click", show);
}
