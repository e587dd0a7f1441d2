// Elements and numbers. All text goes in as text: nothing here reads markup.
const SVG = "http://www.w3.org/2000/svg";

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}
const make = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const fill = (node, ...children) => { node.replaceChildren(); return put(node, {}, children); };
const draw = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);

function placed(node, properties) {
  for (const [name, value] of Object.entries(properties)) node.style.setProperty(name, value);
  return node;
}

// Characters without a shape, or that turn a line round, are shown by their number.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/g;
const plainText = (text) => text.replace(HIDDEN, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
const whole = (text) => (Array.isArray(text) ? text[0] : text);

function textOf(text) {
  const parts = [plainText(whole(text))];
  if (Array.isArray(text)) {
    parts.push(make("span", { class: "cut" }, ` … ${say("cut")} ${count(text[1])} ${say("characters")}`));
  }
  return make("bdi", {}, parts);
}

// A long name is cut, with the whole of it to be pointed at; a short one may be broken where its words meet.
const LONGEST = 60;
const capped = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1).replace(/[\ud800-\udbff]$/, "")}…` : text);
function nameOf(text) {
  const parts = plainText(capped(text)).split(/(?<=_)/);
  return make("bdi", { title: text.length > LONGEST ? plainText(text) : null }, parts.flatMap((part, i) => (i ? [make("wbr"), part] : [part])));
}
const count = (n) => n.toLocaleString(state.language ? "zh-CN" : "en-GB");
const duration = (s) => (s < 1 ? `${short(s * 1000)} ms` : `${short(s)} ${say("seconds")}`);
const percent = (share) => `${(share * 100).toFixed(1)} %`;
const amount = (value, unit) => (value === null ? "–" : unit === "fraction" ? percent(value) : value.toFixed(2).replace(/\.00$/, ""));
const short = (x) => (Math.abs(x) >= 1e7 || (x !== 0 && Math.abs(x) < 0.001) ? x.toExponential(1) : Number(x.toPrecision(3)).toLocaleString("en-GB", { maximumFractionDigits: 8 }));
const between = (figure) => (figure.ci95 ? `${amount(figure.ci95[0], figure.unit)} – ${amount(figure.ci95[1], figure.unit)}` : say("noInterval"));

function intervalBar(figure, most, run) {
  const at = (x) => `${Math.max(0, Math.min(100, (100 * x) / most))}%`;
  const track = make("div", { class: `track run-${run}`, "aria-hidden": "true" });
  if (figure.value === null) return track;
  track.append(placed(make("i", { class: "bar" }), { width: at(figure.value) }));
  if (figure.ci95) {
    const [low, high] = figure.ci95;
    track.append(placed(make("i", { class: "whisker" }), { left: at(low), width: `calc(${at(high)} - ${at(low)})` }));
  }
  return track;
}

// A drawing in the page's own pixels: its letters stay as large as the text around it, however wide it is.
// Drawn again when its place gets another width; until then, and on paper, it is fitted as it is.
const DRAWINGS = new Set();
const resized = new ResizeObserver((entries) => { for (const { target } of entries) paintDrawing(target); });
function drawing(height, attributes, paint) {
  const place = draw("svg", { height, role: "img", ...attributes });
  place.paint = (width) => { place.painted = width; put(place, { viewBox: `0 0 ${width} ${height}` }, []); place.replaceChildren(); put(place, {}, paint(width)); };
  DRAWINGS.add(place);
  return place;
}
function paintDrawing(place) {
  const width = Math.round(place.getBoundingClientRect().width);
  if (width && width !== place.painted && !matchMedia("print").matches) place.paint(width);
}
// What has come into the page since is drawn at once; what has left it is forgotten.
function paintDrawings() {
  resized.disconnect();
  for (const place of DRAWINGS) {
    if (!place.isConnected) { DRAWINGS.delete(place); continue; }
    paintDrawing(place);
    resized.observe(place);
  }
}

const card = (title, attributes, ...children) =>
  make("section", { class: "card", ...attributes }, make("h2", {}, title), ...children);
const runName = (i) => (FIGURES.runs.length > 1 ? make("b", { class: `letter run-${i}` }, "AB"[i]) : null);

