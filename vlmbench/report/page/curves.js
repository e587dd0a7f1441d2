// Training: one small chart a figure, drawn by hand; a second training lies over the first.
function ticks(low, high, most) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step * 1e-9; x += step) found.push(Math.abs(x) < step * 1e-9 ? 0 : x);
  return found;
}

// The mean of the points around each, so that the course of a noisy figure can be seen.
function smoothed(points) {
  const most = Math.ceil(points.length / 80);
  return points.map(([x, y], at) => {
    if (y === null) return [x, null];
    const reach = Math.min(most, at, points.length - 1 - at);
    const near = points.slice(at - reach, at + reach + 1).map((point) => point[1]).filter((value) => value !== null);
    return [x, near.reduce((a, b) => a + b, 0) / near.length];
  });
}

function drawCurves() {
  const names = [...new Set(FIGURES.runs.flatMap((run) => run.curves.map((curve) => curve.name)))];
  const summary = FIGURES.runs.map((run, i) => make("p", { class: "training" }, runName(i), runName(i) && [make("bdi", {}, run.folder), " · "], `${count(run.steps)} ${say("steps")}`,
    run.unread ? ` · ${say("unread")}: ${count(run.unread)}` : ""));
  fill(document.getElementById("figures"), make("div", { class: "trainings" }, summary), make("div", { class: "charts" }, names.map(chart)));
}

function chart(name) {
  const lines = FIGURES.runs.map((run) => run.curves.find((curve) => curve.name === name));
  const known = lines.flatMap((line) => (line ? line.points : [])).filter(([, y]) => y !== null);
  const W = 560, H = 240, left = 58, right = 26, top = 12, bottom = 30;
  if (!known.length) return card(name, {}, make("p", { class: "quiet" }, say("none")));
  const range = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const [x0, x1] = range(known.map(([x]) => x)); let [y0, y1] = range(known.map(([, y]) => y));
  if (y0 === y1) { const pad = Math.abs(y0) * 0.1 || 1; y0 -= pad; y1 += pad; }
  const X = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (W - left - right), Y = (y) => top + (1 - (y - y0) / (y1 - y0)) * (H - top - bottom);
  const grid = ticks(y0, y1, 4).map((y) => [draw("line", { class: "grid", x1: left, x2: W - right, y1: Y(y), y2: Y(y) }), draw("text", { x: left - 8, y: Y(y) + 4, "text-anchor": "end" }, short(y))]);
  const below = ticks(x0, x1, 5).map((x) => draw("text", { x: X(x), y: H - 10, "text-anchor": "middle" }, count(x)));
  const paths = lines.map((line, i) => {
    if (!line) return null;
    const trace = (points) => {
      let pen = "M", d = "";
      for (const [x, y] of points) { if (y === null) { pen = "M"; continue; } d += `${pen}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`; pen = "L"; }
      return d;
    };
    const many = line.points.length > 100;
    return [many ? draw("path", { class: `curve raw-${i}`, d: trace(line.points) }) : null, draw("path", { class: `curve run-${i}`, d: trace(many ? smoothed(line.points) : line.points) })];
  });
  const said = lines.map((line, i) => line && make("p", { class: "quiet" }, runName(i), ` ${say("last")} `, make("b", {}, line.last === null ? "–" : short(line.last)), line.gaps ? ` · ${say("gaps")}: ${count(line.gaps)}` : ""));
  return card(make("bdi", {}, name), {}, said, draw("svg", { viewBox: `0 0 ${W} ${H}`, class: "chart", role: "img", "aria-label": `${name}: ${short(y0)} – ${short(y1)}, ${say("step")} ${count(x0)} – ${count(x1)}` }, grid, below, paths));
}

