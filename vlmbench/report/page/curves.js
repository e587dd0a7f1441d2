// Training: one small chart a figure, drawn by hand; a second training lies over the first.

// Round numbers over a range, a few of them; with `ends`, its own first and last number as well.
function stepOf(low, high, most) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * (1 - 1e-9));
}
function ticks(low, high, most, ends = 0) {
  const step = stepOf(low, high, most), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) found.push(k * step);
  if (!ends) return found;
  const room = (high - low) * ends;
  return [low, ...found.filter((x) => x - low > room && high - x > room), ...(high > low ? [high] : [])];
}

// The mean of the points around each, so that the course of a noisy figure can be seen; at the ends of the
// points on the one side that there is, so that no single point ends the line.
function smoothed(points) {
  const most = Math.ceil(points.length / 80);
  return points.map(([x, y], at) => {
    if (y === null) return [x, null];
    const near = points.slice(Math.max(0, at - most), at + most + 1).map((point) => point[1]).filter((value) => value !== null);
    return [x, near.reduce((a, b) => a + b, 0) / near.length];
  });
}

function drawCurves() {
  const names = (kind, nameOf) => [...new Set(FIGURES.runs.flatMap((run) => run[kind].map(nameOf)))];
  const summary = FIGURES.runs.map((run, i) => make("p", { class: "training" }, runName(i), runName(i) && [make("bdi", {}, run.folder), " · "], `${count(run.steps)} ${say("steps")}`,
    run.unread ? ` · ${say("unread")}: ${count(run.unread)}` : ""));
  const curves = names("curves", (curve) => curve.name).map(chart), scores = names("scores", scoreName).map(scoreChart);
  fill(document.getElementById("figures"), make("div", { class: "trainings" }, summary), make("div", { class: "charts" }, scores, curves));
  paintDrawings();
}

const SIZE = { H: 256, left: 58, right: 26, top: 12, bottom: 46 };
// Every chart has the steps of the whole training, so that a point stands below its place on the curves.
const allSteps = () => range(FIGURES.runs.flatMap((run) => [...run.curves, ...run.scores].flatMap((line) => line.points.map(([x]) => x))));
const range = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);

// A chart's scales, with its lines and numbers.
function frame(W, [x0, x1], [y0, y1], told) {
  const { H, left, right, top, bottom } = SIZE, inner = W - left - right;
  const X = (x) => left + ((x - x0) / (x1 - x0 || 1)) * inner, Y = (y) => top + (1 - (y - y0) / (y1 - y0)) * (H - top - bottom);
  const grid = ticks(y0, y1, 4).map((y) => [draw("line", { class: "grid", x1: left, x2: W - right, y1: Y(y), y2: Y(y) }), draw("text", { x: left - 8, y: Y(y) + 4, "text-anchor": "end" }, told(y))]);
  const below = ticks(x0, x1, Math.max(1, Math.min(5, Math.floor(inner / 64))), 42 / inner).map((x) => draw("text", { x: X(x), y: H - 26, "text-anchor": "middle" }, count(x)));
  const title = draw("text", { x: left + inner / 2, y: H - 6, "text-anchor": "middle" }, say("axisStep"));
  return { X, Y, axes: [...grid.flat(), ...below, title] };
}

const plot = (label, paint) => drawing(SIZE.H, { class: "chart", "aria-label": label }, paint);

function chart(name) {
  const lines = FIGURES.runs.map((run) => run.curves.find((curve) => curve.name === name));
  const known = lines.flatMap((line) => (line ? line.points : [])).filter(([, y]) => y !== null);
  if (!known.length) return card(curveName(name), {}, make("p", { class: "quiet" }, say("none")));
  const [x0, x1] = allSteps(); let [y0, y1] = range(known.map(([, y]) => y));
  if (y0 === y1) { const pad = Math.abs(y0) * 0.1 || 1; y0 -= pad; y1 += pad; }
  const unit = stepOf(y0, y1, 4), told = valueOf(name), extent = `${told(y0)} – ${told(y1)}`;
  if (Number.isFinite(unit)) [y0, y1] = [Math.floor(y0 / unit + 1e-9) * unit, Math.ceil(y1 / unit - 1e-9) * unit];
  const paths = ({ X, Y }) => lines.map((line, i) => {
    if (!line) return null;
    const trace = (points) => {
      let pen = "M", d = "";
      for (const [x, y] of points) { if (y === null) { pen = "M"; continue; } d += `${pen}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`; pen = "L"; }
      return d;
    };
    const marks = line.points.filter(([, y]) => y !== null);
    if (marks.length === 1) return draw("circle", { class: `score run-${i}`, cx: X(marks[0][0]), cy: Y(marks[0][1]), r: 3 });
    const means = line.points.length > 100 ? smoothed(line.points) : line.points;
    // A smooth figure is drawn as it is: a mean would only bend its ends.
    const many = means.some(([, y], at) => y !== null && Math.abs(y - line.points[at][1]) > (y1 - y0) * 0.02);
    return [many ? draw("path", { class: `curve raw-${i}`, d: trace(line.points) }) : null, draw("path", { class: `curve run-${i}`, d: trace(many ? means : line.points) })];
  });
  const said = lines.map((line, i) => line && make("p", { class: "quiet" }, runName(i), ` ${say("last")} `, make("b", {}, line.last === null ? "–" : told(line.last)), line.gaps ? ` · ${say("gaps")}: ${count(line.gaps)}` : ""));
  const title = curveName(name);
  return card(make("bdi", {}, title), {}, said, plot(`${title}: ${extent}, ${say("axisStep")} ${count(x0)} – ${count(x1)}`, (width) => {
    const scales = frame(width, [x0, x1], [y0, y1], told);
    return [scales.axes, paths(scales)];
  }));
}

// Scores of checkpoints: a point each with its interval, and no line, for nothing was measured in between.
const scoreName = (score) => `${score.name} · ${score.figure}`;
const scoreTitle = (score) => `${score.name} · ${measureName(score.figure)}`;

function scoreChart(name) {
  const found = FIGURES.runs.map((run) => run.scores.find((score) => scoreName(score) === name));
  const all = found.flatMap((score) => (score ? score.points : []));
  const { unit } = found.find(Boolean), title = scoreTitle(found.find(Boolean));
  const steps = allSteps();
  let [y0, y1] = range(all.flatMap(([, value, low, high]) => [value, low ?? value, high ?? value]));
  const pad = (y1 - y0) * 0.08 || Math.abs(y0) * 0.1 || 1;
  [y0, y1] = unit === "fraction" ? [Math.max(0, y0 - pad), Math.min(1, y1 + pad)] : [y0 - pad, y1 + pad];
  const told = ([step, value, low, high, n]) =>
    `${stepName(step)}: ${amount(value, unit)}${low === null ? "" : ` (${between({ ci95: [low, high], unit })})`}${n === null ? "" : `, n ${count(n)}`}`;
  const marks = ({ X, Y }) => found.map((score, i) => score && score.points.map((point) => scoreMark(point, i, X(point[0]) + (found.length > 1 ? i * 6 - 3 : 0), Y, told(point))));
  // The first and the last: what training changed.
  const ends = ({ points }) => (points.length > 1 ? [points[0], points.at(-1)] : points);
  const said = found.map((score, i) => score && ends(score).map((point) => make("p", { class: "quiet" }, runName(i), ` ${told(point)}`)));
  const without = found.some((score) => score && score.points[0][0] > 0) ? make("p", { class: "quiet" }, say("notBefore")) : null;
  return card(make("bdi", {}, title), { class: "card scores" }, said, without, plot([title, ...all.map(told)].join("; "), (width) => {
    const scales = frame(width, steps, [y0, y1], (y) => (unit === "fraction" ? `${short(y * 100)} %` : short(y)));
    return [scales.axes, marks(scales)];
  }));
}

function scoreMark([, value, low, high], i, x, Y, told) {
  const line = (x1, x2, y1, y2) => draw("line", { x1, x2, y1, y2 });
  const whisker = low === null ? null : [line(x, x, Y(low), Y(high)), line(x - 4, x + 4, Y(low), Y(low)), line(x - 4, x + 4, Y(high), Y(high))];
  const point = i ? draw("rect", { x: x - 4, y: Y(value) - 4, width: 8, height: 8 }) : draw("circle", { cx: x, cy: Y(value), r: 4.5 });
  return draw("g", { class: `score run-${i}` }, draw("title", {}, told), whisker, point);
}
